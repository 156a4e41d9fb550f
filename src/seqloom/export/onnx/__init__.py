"""Runs as folders that other programs run: graphs, tokenizer, manifest, proof of equality, model card."""
