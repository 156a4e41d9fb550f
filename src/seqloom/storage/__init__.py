"""Arrays, tensors and folders on disk: memory-mapped, written atomically, without pickle."""
