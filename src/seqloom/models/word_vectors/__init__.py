"""Word vectors: skip-gram and CBOW, trained by compiled loops, and their use."""
