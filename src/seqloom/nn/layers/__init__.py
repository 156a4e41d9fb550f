"""The layers, one file a family; each registers itself with `@layers.register`."""
