"""The n-gram model: counted, not trained. One file a subject, from the text to the next word's distribution."""
