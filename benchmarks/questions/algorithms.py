"""Questions on the Neural Turing Machine, answered on short sequences of the tasks of its paper."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

from questions.trials import Answer, Trained, Variant, by_seed, judged, train_all

SEQUENCES = 4_000
_SETTINGS = {"training.evaluations": 4, "data.held_out": 100}
_NTM = {"model.memory_size": 32, "model.hidden_size": 64}


def memory(folder: Path) -> Answer:
    """An NTM, one that addresses by content alone, and an LSTM."""
    tasks = {"copy": "copy:length=1-6,bits=4", "associative recall": "associative-recall:items=2-3"}
    variants = [
        Variant("ntm", "ntm", _NTM),
        Variant("ntm, content alone", "ntm", {**_NTM, "model.shifts": 1}),
        Variant("lstm", "lstm", {"model.hidden_size": 128}),
    ]
    scores, longer = {}, {}
    for task, data in tasks.items():
        for each in train_all("algorithm", data, variants, folder / task, _SETTINGS, sequences=SEQUENCES):
            label = f"{task}: {each.variant.label}"
            scores[label] = by_seed(label, [run.summary["test"]["bits_per_sequence"] for run in each.runs])
            longer[label] = _longer(task, each)
    return judged(
        scores,
        "test bits per sequence",
        True,
        "seed",
        f"copy of 1 to 6 vectors of 4 bits, recall of 2 to 3 items; {SEQUENCES:,} sequences, three seeds",
        {"bits per sequence, longer ones": longer},
    )


def _longer(task: str, trained: Trained) -> str:
    data = {"copy": "copy:length=12,bits=4", "associative recall": "associative-recall:items=5"}[task]
    return f"{mean(run.evaluate(data)['bits_per_sequence'] for run in trained.runs):.2f}"
