"""A survey of a user's data: what it is, how it would be read and split, and what looks wrong with it."""
