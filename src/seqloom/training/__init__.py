"""The training loop and its trainers; they know no task by name."""
