"""Word vectors: skip-gram and CBOW by compiled loops, and what is done with the vectors."""
