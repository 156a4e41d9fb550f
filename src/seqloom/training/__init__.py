"""The only training loop, and what it needs. Knows no task by name."""
