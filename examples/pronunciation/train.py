"""Pronunciation: the phonemes of English words from their letters; a tenth of the CMU dictionary."""

from pathlib import Path

import seqloom

words = Path(__file__).parent / "words.tsv.gz"
settings = {"embedding.dim": 64, "encoder.hidden_size": 128, "decoder.hidden_size": 128}
run = seqloom.train("translate", words, model="gru+attention", epochs=8, out="runs/pronunciation", settings=settings)
print(f"exact match {run.summary['test']['exact_match']:.3f}")
print(f"phoneme error rate {run.summary['test']['token_error_rate']:.3f}")
print(run.predict([" ".join("whale"), " ".join("translator")]))
