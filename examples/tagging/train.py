"""Tagging: the part of speech of each word, from 152 sentences of the English Web Treebank."""

from pathlib import Path

import seqloom

sentences = Path(__file__).parents[1] / "english_ewt.conllu"
run = seqloom.train(
    "tag", sentences, model="bilstm", epochs=15, out="runs/tagger", settings={"data.tokens_per_batch": 150}
)
print(f"accuracy {run.summary['test']['accuracy']:.3f}")
print(run.predict(["The old whale swims in the sea ."])[0])
