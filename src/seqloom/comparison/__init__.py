"""Several models on equal terms: one split, tokenizer, budget and number of threads, several seeds, one verdict."""
