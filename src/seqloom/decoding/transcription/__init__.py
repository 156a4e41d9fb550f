"""Transcripts of recordings: searches for CTC and attention, whole or as the sound comes."""
