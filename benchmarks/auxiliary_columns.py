"""Question: does a tagger make fewer errors if it also learns to predict another column of its training data, which it
does not need later? If it reads that column with the words, then and later? And an ensemble of several seeds?

English chunks (CoNLL-2000) and Spanish names (CoNLL-2002), with the parts of speech as the other column. Half of the
sentences that are held out choose the weights, the other half test. The tagger is the `bilstm` preset.

    python benchmarks/auxiliary_columns.py --updates 1500

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
from seqloom.data.readers.conll import Sentence
from seqloom.data.readers.tagged import tagged
from seqloom.metrics.spans import span_scores

DATA = BENCHMARKS.parent.parent / "shared" / "data" / "tag"
PARTS_OF_SPEECH = 2
"""The column."""
KINDS: dict[str, dict[str, Any]] = {
    "words alone": {"language_model_weight": 0.0},
    "auxiliary": {"language_model_weight": 0.0, "data.auxiliary": [PARTS_OF_SPEECH]},
    "features": {"language_model_weight": 0.0, "data.features": [PARTS_OF_SPEECH]},
    "features and language model": {"data.features": [PARTS_OF_SPEECH]},
}


def read(name: str) -> list[Sentence]:
    return list(tagged(str(DATA / name), auxiliary=[PARTS_OF_SPEECH]))


def chunks() -> tuple[list[Sentence], list[Sentence]]:
    """Sentences to train, and those held out."""
    sentences = read("conll2000.train.txt.gz")
    return [s for number, s in enumerate(sentences) if number % 10 != 5], sentences[5::10]


def names() -> tuple[list[Sentence], list[Sentence]]:
    return read("conll2002.es.train.txt.gz"), read("conll2002.es.valid.txt.gz")


def f1(run: seqloom.Run, path: str) -> float:
    """The span F1 on a file of columns, in percent. The run reads the columns that it was trained with."""
    answers = run.answers(run.inputs(path))
    predicted = [answer.to_json()["tags"] for (answer,) in answers]
    return 100 * span_scores([sentence.tags for sentence in tagged(path)], predicted)[2]


def main() -> None:
    options = arguments(__doc__, "auxiliary", 1_500).parse_args()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    scores: dict[str, Any] = {}
    for data, sentences in (("CoNLL-2000", chunks), ("CoNLL-2002 Spanish", names)):
        try:
            training, held_out = sentences()
        except seqloom.SeqloomError as error:
            print(f"skipped: {data}: {error}")
            continue
        files = {"valid": write_columns(work / f"{data}.valid.conll", held_out[1::2])}
        path = Path(write_columns(work / f"{data}.train.conll", training))
        test = write_columns(work / f"{data}.test.conll", held_out[::2])
        scores[data] = {"sentences": len(held_out[::2])}
        for kind, settings in KINDS.items():
            runs = train_seeds(options, f"{data} {kind}", "tag", path, settings, model="bilstm", **files)
            singles = [f1(run, test) for run in runs]
            scores[data][kind] = {
                "f1": singles,
                "median": median(singles),
                "ensemble": f1(runs[0].ensemble(runs[1:]), test),
                "processor_seconds": [run.summary["processor_seconds"] for run in runs],
            }
            print(data, kind, scores[data][kind], flush=True)
    if scores:
        result = {"updates": options.updates, "seeds": options.seeds, "machine": machine(1), "scores": scores}
        write_results("auxiliary_columns", result)


if __name__ == "__main__":
    main()
