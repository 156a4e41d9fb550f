"""Sentiment: is the reviewer pleased? What counts is said last, so a bag of words cannot tell."""

import random

import seqloom

draw = random.Random(1).choice
GOOD, BAD = ["great", "lovely", "superb", "fine"], ["dull", "weak", "poor", "tired"]
PARTS = ["plot", "cast", "music", "end"]


def clause(words: list[str]) -> str:
    return f"the {draw(PARTS)} was {draw(words)} and {draw(words)} to me"


reviews = [("pleased", f"{clause(BAD)} , but {clause(GOOD)}") for _ in range(750)]
reviews += [("not pleased", f"{clause(GOOD)} , but {clause(BAD)}") for _ in range(750)]
for model in ("bow", "bilstm"):
    run = seqloom.train("classify", reviews, model=model, epochs=4, out=f"runs/{model}")
    print(f"{model} accuracy {run.summary['test']['accuracy']:.3f}")
print(run.predict(["the cast was superb and fine to me , but the plot was dull and weak to me"]))
