"""The layers, one file for each family; each registers itself with `@layers.register`."""
