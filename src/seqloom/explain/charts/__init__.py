"""The charts of an explanation, by what they are about."""
