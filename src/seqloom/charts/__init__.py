"""Charts and the pages that hold them: one style, light and dark, readable without a mouse and without a network."""
