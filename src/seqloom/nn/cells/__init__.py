"""One file a cell: its equations, its parameters and where it comes from."""
