"""The output layer of language models: a distribution over the vocabulary, and its cross-entropy."""
