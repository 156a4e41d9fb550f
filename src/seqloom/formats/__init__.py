"""Readers and writers of files that other programs use: ARPA, word2vec, fastText, ONNX, CTranslate2, tables."""
