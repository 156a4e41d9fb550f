"""Series of numbers in time: tables are read onto a grid of times and cut into windows."""
