"""Transformers in the format of CTranslate2, an engine in C++ for translation and text generation."""
