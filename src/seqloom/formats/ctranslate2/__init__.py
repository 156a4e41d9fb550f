"""Transformers in the format of CTranslate2, a C++ engine for translation and text generation."""
