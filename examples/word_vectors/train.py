"""Word vectors: which words occur in the same contexts of Moby Dick?"""

from pathlib import Path

import seqloom

text = Path(__file__).parents[1] / "moby_dick.txt"
settings = {"lowercase": True, "punctuation": True, "deterministic": True}
run = seqloom.train("vectors", text, model="skipgram", epochs=10, out="runs/words", settings=settings)
print(f"nats per pair {run.summary['valid']['nats_per_pair']:.3f}")
vectors = seqloom.Vectors.open(run.folder)
print([neighbour.word for neighbour in vectors.similar("ship", top=5)])
