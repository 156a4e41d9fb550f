"""Question: what do sentences without tags, and a language model beside the tags, bring where few sentences have tags?

Parts of speech of 502 sentences of the English Web Treebank; all its other training sentences are text without tags. A
tenth of the validation sentences chooses the weights, another half tests. The tagger is the `bilstm` preset.

    python benchmarks/few_tags.py --updates 1000

Finished trainings stay in the folder of `--work`, and interrupted ones are resumed, so the script may be stopped and
run again.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import seqloom
from columns import write_columns
from peers.race import BENCHMARKS, machine, write_results
from resumable import arguments, train_seeds
from seqloom.data.readers.tagged import tagged

DATA = BENCHMARKS.parent.parent / "shared" / "data" / "tag"
EVERY = 25
"""Of so many sentences, one has tags."""


def main() -> None:
    options = arguments(__doc__, "few-tags", 1_000).parse_args()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    try:
        sentences, held_out = (list(tagged(str(DATA / f"ud_ewt.{part}.conllu.gz"))) for part in ("train", "valid"))
    except seqloom.SeqloomError as error:
        print(f"skipped: {error}")
        return
    training = Path(write_columns(work / "train.conll", sentences[::EVERY]))
    files = {
        "valid": write_columns(work / "valid.conll", held_out[::10]),
        "test": write_columns(work / "test.conll", held_out[1::2]),
    }
    raw = work / "raw.txt"
    others = (sentence for number, sentence in enumerate(sentences) if number % EVERY)
    raw.write_text("".join(f"{' '.join(sentence.words)}\n" for sentence in others), encoding="utf-8")
    kinds: dict[str, dict[str, Any]] = {
        "tags alone": {"language_model_weight": 0.0},
        "language model": {"language_model_weight": 0.3},
        "raw text": {"data.raw": str(raw)},
    }
    scores: dict[str, Any] = {}
    for kind, settings in kinds.items():
        runs = train_seeds(options, kind, "tag", training, settings, model="bilstm", **files)
        accuracies = [run.summary["test"]["accuracy"] for run in runs]
        scores[kind] = {
            "accuracy": accuracies,
            "median": median(accuracies),
            "nats": [run.summary["test"]["nats_per_token"] for run in runs],
            "processor_seconds": [run.summary["processor_seconds"] for run in runs],
        }
        print(kind, scores[kind], flush=True)
    result = {
        "sentences": len(sentences[::EVERY]),
        "raw_sentences": len(sentences) - len(sentences[::EVERY]),
        "updates": options.updates,
        "seeds": options.seeds,
        "machine": machine(1),
        "scores": scores,
    }
    write_results("few_tags", result)


if __name__ == "__main__":
    main()
