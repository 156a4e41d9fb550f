"""What `explain` asks of each task: losses with contexts that are cut, and the loss at the last step alone."""
