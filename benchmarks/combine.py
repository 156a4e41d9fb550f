"""Question: how much BLEU do an ensemble of three translators, weights that are averaged during training, and both
together gain over one training of the same length? And do required words stand in every translation, at what loss?

English to German (Multi30k). There are three trainings of each kind, which differ in their seed, all with the same
number of updates: plain ones, whose learning rate falls to 0 along a cosine; ones with a constant rate; and ones with a
constant rate and averaged weights. (Where the rate falls to 0, averaging gained nothing: LOG.md.) 5 %
of the training pairs are held out to choose the weights; BLEU is that of the 1,014 validation pairs, which nothing else
uses. The runs of each kind are one ensemble, with the same beam. Then one random word of each reference is required in
its translation.

    python benchmarks/combine.py

Finished trainings stay in the folder of `--work`, and interrupted ones are resumed, so the script may be stopped and
run again.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from typing import Any

import seqloom
from peers.race import BENCHMARKS, Result, machine, write_results
from resumable import arguments, train
from seqloom.data.readers import readers
from seqloom.metrics.transduction import bleu

DATA = BENCHMARKS.parent.parent / "shared" / "data" / "translate"
MODEL = "lstm+attention"
SETTINGS: dict[str, Any] = {
    "tokenizer.kind": "bpe",
    "tokenizer.vocab_size": 4_000,
    "encoder.hidden_size": 128,
    "encoder.num_layers": 1,
    "decoder.hidden_size": 128,
    "decoder.num_layers": 1,
    "embedding.dim": 128,
    "data.tokens_per_batch": 2_000,
    "embedding.dropout": 0.1,
    "output.dropout": 0.1,
    "training.learning_rate": 4e-3,
}
CONSTANT = {"training.schedule": "constant"}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"training.schedule": "cosine"},
    "constant": CONSTANT,
    "averaged": CONSTANT | {"training.average": 0.998},
}
BEAM_SIZE = 5


def required_words(references: Sequence[str]) -> list[str]:
    """A random word of letters of each reference."""
    rng = random.Random(1)
    words = (
        [word for word in reference.split() if word.isalpha()] or [reference.split()[0]] for reference in references
    )
    return [rng.choice(choices) for choices in words]


def with_required(run: seqloom.Run, sources: Sequence[str], references: Sequence[str]) -> Result:
    """Of the translations that must contain a word of their reference: BLEU, and how many contain it."""
    words = required_words(references)
    inputs = [{"source": source, "require": [word]} for source, word in zip(sources, words, strict=True)]
    answers = run.predict(inputs, beam_size=BEAM_SIZE)
    contained = sum(word in answer for word, answer in zip(words, answers, strict=True))
    return {"bleu": bleu(answers, references), "contained": contained, "answers": len(answers)}


def main() -> None:
    options = arguments(__doc__, "combine", updates=2_000).parse_args()
    data, valid = (DATA / f"multi30k.en-de.{part}.tsv" for part in ("train", "valid"))
    if not (data.exists() and valid.exists()):
        print(f"skipped: {DATA} has no multi30k.en-de.train.tsv")
        return
    options.work.mkdir(parents=True, exist_ok=True)
    pairs = list(readers["pairs"](str(valid)))
    sources, references = [pair.source for pair in pairs], [pair.target for pair in pairs]
    scores: dict[str, list[float]] = {}
    runs: dict[str, list[seqloom.Run]] = {}
    for seed in range(1, options.seeds + 1):
        for kind, settings in KINDS.items():
            run = train(
                options.work / f"{kind}-{seed}", "translate", data, model=MODEL, updates=options.updates, seed=seed,
                settings=SETTINGS | settings,
            )  # fmt: skip
            score = bleu(run.predict(sources, beam_size=BEAM_SIZE), references)
            runs.setdefault(kind, []).append(run)
            scores.setdefault(kind, []).append(score)
            print(f"{kind}, seed {seed}: BLEU {score:.2f} in {run.summary['seconds']:.0f} s", flush=True)
    means = {kind: statistics.mean(values) for kind, values in scores.items()}
    combined = {}
    for kind, (first, *others) in runs.items():
        answers = first.ensemble(others).predict(sources, beam_size=BEAM_SIZE)
        combined[kind] = bleu(answers, references)
        print(f"ensemble of {options.seeds} {kind} runs: BLEU {combined[kind]:.2f}", flush=True)
    gains = {
        "averaging": means["averaged"] - means["constant"],
        "averaging over a falling rate": means["averaged"] - means["plain"],
        "ensemble": combined["plain"] - means["plain"],
        "ensemble over its best run": combined["plain"] - max(scores["plain"]),
        "both": combined["averaged"] - means["plain"],
    }
    for name, gain in gains.items():
        print(f"{name}: {gain:+.2f} BLEU")
    required = with_required(runs["plain"][0], sources, references)
    print(
        f"required words: {required['contained']:,} of {required['answers']:,} translations contain theirs, "
        f"BLEU {required['bleu']:.2f} instead of {scores['plain'][0]:.2f}"
    )
    write_results(
        "combine",
        {
            "data": data.name,
            "model": MODEL,
            "settings": SETTINGS,
            "updates": options.updates,
            "beam_size": BEAM_SIZE,
            "machine": machine(1),
            "bleu": scores,
            "mean_bleu": means,
            "ensembles": combined,
            "gains": gains,
            "required": {**required, "without": scores["plain"][0]},
        },
    )


if __name__ == "__main__":
    main()
