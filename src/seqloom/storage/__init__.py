"""Arrays and tensors on disk: memory-mapped, whole or not at all, nothing pickled."""
