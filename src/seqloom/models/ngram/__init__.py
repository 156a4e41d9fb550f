"""The n-gram model: counted, estimated, pruned, stored and queried."""
