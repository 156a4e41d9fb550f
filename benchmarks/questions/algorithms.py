"""Questions on the Neural Turing Machine, answered on short sequences of the tasks of its paper."""

from __future__ import annotations

from pathlib import Path

from questions.trials import Answer, Chart, Line, Trained, Variant, by_seed, measured, point, train_all

SEQUENCES = 12_000
_LENGTHS = (2, 4, 6, 8, 10, 12, 16)
_SETTINGS = {"training.evaluations": 4, "data.held_out": 100}
_NTM = {"model.memory_size": 32}


def turing_machine(folder: Path) -> Answer:
    """An NTM, one that addresses by content alone, and an LSTM, on copying short sequences and longer ones."""
    variants = [
        Variant("ntm, content and location", "ntm", _NTM),
        Variant("ntm, content alone", "ntm", {**_NTM, "model.shifts": 1}),
        Variant("lstm", "lstm", {"model.hidden_size": 128, "model.num_layers": 1}),
    ]
    trained = train_all("algorithm", "copy:length=1-6,bits=4", variants, folder, _SETTINGS, sequences=SEQUENCES)
    scores = [
        by_seed(each.label, [run.evaluate("copy:length=12,bits=4")["bits_per_sequence"] for run in each.runs])
        for each in trained
    ]
    labels = [each.label for each in trained]
    short = [
        f"{sum(run.summary['test']['bits_per_sequence'] for run in each.runs) / len(each.runs):.2f}" for each in trained
    ]
    return measured(
        scores,
        [(labels[0], labels[2]), (labels[0], labels[1])],
        "bits per sequence of length 12",
        True,
        "seed",
        f"Copying 1 to 6 vectors of 4 bits, {SEQUENCES:,} generated sequences, three seeds",
        {"bits per sequence of lengths 1 to 6": short},
        Chart("length", "wrong bits, %", [_wrong_bits(each) for each in trained]),
    )


def _wrong_bits(trained: Trained) -> Line:
    points = []
    for length in _LENGTHS:
        data = f"copy:length={length},bits=4"
        errors = [run.evaluate(data)["bit_errors_per_sequence"] / (4 * length) for run in trained.runs]
        points.append(point(length, by_seed(trained.label, [100 * error for error in errors])))
    return Line(trained.label, [[x, y, max(low, 0.0), high] for x, y, low, high in points])
