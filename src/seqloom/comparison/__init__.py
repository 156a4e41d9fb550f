"""Models compared on equal terms: the same split, tokenizer, budget and number of threads, and several seeds."""
