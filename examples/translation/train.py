"""Translation: English numbers into German ones, whose units come before the tens."""

import random

from numerals import english, german

import seqloom

numbers = random.Random(1).sample(range(1, 10_000), 3_000)
pairs = [(english(number), german(number)) for number in numbers]
settings = {"data.tokens_per_batch": 300, "embedding.dim": 64, "encoder.hidden_size": 64, "decoder.hidden_size": 64}
run = seqloom.train("translate", pairs, model="gru+attention", epochs=8, out="runs/numbers", settings=settings)
print(f"exact match {run.summary['test']['exact_match']:.3f}")
print(run.predict(["six thousand two hundred forty five"]))
