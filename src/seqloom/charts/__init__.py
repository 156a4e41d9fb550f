"""Charts and the pages that hold them: one look, light or dark, readable without a mouse and without a network."""
