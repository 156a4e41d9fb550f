"""From files of text, tags, pairs, numbers and sound to batches."""
