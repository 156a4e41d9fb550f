"""Files of models and of vectors that other programs read and write: no run, no folder of results."""
