"""From hidden states to a distribution over the vocabulary, and its cross-entropy."""
