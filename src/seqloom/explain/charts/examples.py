"""Charts of one example: which inputs mattered, and its alignment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from seqloom.charts.bars import Bar, bar_chart
from seqloom.explain.alignments import alignment_figure
from seqloom.explain.charts.section import MOST_BARS, Section
from seqloom.explain.measured import Measured


def example_charts(runs: Sequence[Measured]) -> Iterator[Section]:
    for number, run in enumerate(runs):
        if run.attribution is not None:
            weights, names = run.attribution.weights, run.attribution.names
            strongest = np.argsort(-np.abs(weights), kind="stable")[:MOST_BARS].tolist()
            bars = [Bar(f"{i + 1} {names[i]}", weights[i], number) for i in sorted(strongest)]
            about = (
                f"What each input adds to {run.attribution.output}, by integrated gradients. Together "
                f"{run.attribution.difference:.4g}; the sum is within {run.attribution.error:.2%} of it."
            )
            limits = "inputs that matter only together are weighed each by a share of what they do."
            title = "Which inputs mattered" + (f": {run.name}" if len(runs) > 1 else "")
            yield Section(title, bar_chart(f"inputs-{number + 1}", about, bars, "added to the score"), about, limits)
    for number, run in enumerate(runs):
        if run.alignment is not None:
            about = (
                "The attention of each token that is written (rows) to those that are read (columns), by greedy "
                "search: the stronger the colour, the more attention."
            )
            limits = "what is attended to need not matter, and a state holds what lies around its token too."
            title = "Alignment" + (f": {run.name}" if len(runs) > 1 else "")
            yield Section(title, alignment_figure(run.alignment, f"alignment-{number + 1}"), about, limits)
