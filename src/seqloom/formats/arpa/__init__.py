"""ARPA files: n-gram models as text, which KenLM, SRILM and most other programs read."""
