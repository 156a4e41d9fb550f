"""The tables of what the scripts under `benchmarks/` measured last. cog calls these functions; see `make format`."""

from __future__ import annotations

import functools
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generated import table

_TRANSCRIPTION = {
    "recordings": {
        "median.word_error_rate": "digits, new recordings of six known speakers, median of three seeds",
        "median.five_joined": "the same, five joined with gaps of up to 150 ms",
    },
    "speakers": {
        "median.mean": "digits, a new speaker, with the two settings above; mean of six trainings that leave one out "
        "each, median of three seeds",
        "median.worst": "the worst of the six, median of three seeds",
    },
    "sentences": {
        "word_error_rate": "new sentences, known voices",
        "unseen_voices": "new sentences, two new voices",
        "noisy.without": "noise as loud as the speech, without the n-gram model",
        "noisy.with": "the same with the n-gram model",
    },
}
_RESULTS = Path(__file__).resolve().parent.parent / "benchmarks" / "results"


def benchmarks() -> str:
    """The ratios that the scripts under `benchmarks/` measured last, each against its peer in the same run."""
    lines = [*_recurrent_ratios(), *_training_ratios(), *_ngram_ratios(), *_export_ratios(), *_serving_ratios()]
    return table(("script", "what is measured", "peer", "ratio"), lines)


def _recurrent_ratios() -> list[tuple[str, ...]]:
    measured, ratios = _results("recurrent"), dict[str, list[float]]()
    for row in [*measured["rows"], measured["online"]]:
        ratios.setdefault(row["row"], []).append(row["ratio"])
    lines = []
    for row, values in ratios.items():
        layer, _, peer = row.partition(" / ")
        span = f"{min(values):.2f}" if len(values) == 1 else f"{min(values):.2f} to {max(values):.2f}"
        lines.append(("`recurrent.py`", f"speed of {layer}, {len(values)} shapes", f"{peer} of torch", span))
    return lines


def _training_ratios() -> list[tuple[str, ...]]:
    speed, bits = _results("language_model"), _results("character_model")
    tags, ntm, busy = _results("tagging"), _results("ntm"), _results("busy")["medians"]
    peer = _results("transcribe")["peer"]
    beside_two = [busy[kind]["beside two"]["rate"] for kind in ("threads that adapt", "threads that spin")]
    return [
        ("`language_model.py`", "tokens per second, LSTM", "a plain script", f"{speed['tokens_per_second_ratio']:.2f}"),
        ("`character_model.py`", "bits per character, equal minutes", "a plain Transformer",
         f"{bits['bits_per_character_ratio']:.2f}"),
        ("`tagging.py`", "targets per second, BiLSTM-CRF", tags["peer"], f"{tags['ratio']:.2f}"),
        ("`transcribe.py`", "updates per second, the same layers, and CRDNN of the same size", "SpeechBrain",
         f"{peer['speechbrain, layers']['times_ours']:.2f}, {peer['speechbrain, crdnn']['times_ours']:.2f}"),
        ("`ntm.py`", "sequences per second, copy", "a plain script", f"{ntm['ratio']:.1f}"),
        ("`busy.py`", "targets per second beside two busy processes", "threads that spin",
         f"{beside_two[0] / beside_two[1]:.2f}"),
    ]  # fmt: skip


def _ngram_ratios() -> list[tuple[str, ...]]:
    measured = _results("ngram")
    seconds = measured["lmplz"]["seconds"] / measured["estimation"]["seconds"]
    scoring = measured["scoring"]
    return [
        ("`ngram.py`", "speed of text to ARPA, order 5", "KenLM's lmplz", f"{seconds:.2f}"),
        ("`ngram.py`", "speed of scoring, one thread and two", "KenLM",
         f"{scoring['times_kenlm_1']:.2f}, {scoring['times_kenlm_2']:.2f}"),
    ]  # fmt: skip


def transcription() -> str:
    """Word error rates of spoken digits and of sentences made with espeak-ng, and the updates of the trainings."""
    measured, rows = _results("transcribe"), []
    for part, names in _TRANSCRIPTION.items():
        for path, name in names.items():
            rate = functools.reduce(lambda values, key: values[key], path.split("."), measured[part])
            rows.append((name, f"{measured[part]['updates']:,}", f"{100 * rate:.1f} %"))
    return table(("test", "updates", "word error rate"), rows)


def transcription_speed() -> str:
    """Seconds of sound for each second of the processor, and how long the trainings of digits took."""
    measured = _results("transcribe")
    speed = measured["speed"]
    rows = [row for part in ("recordings", "speakers") for row in _rows_of_trainings(measured[part])]
    minutes = sorted(row["processor_seconds"] / 60 for row in rows)
    return (
        f"In a second of the processor, one thread trains on {speed['training']} seconds of sound, augmented, and\n"
        f"recognises {speed['single']} seconds of short recordings, or {speed['minute']} of a longer one. The\n"
        f"trainings of digits took {minutes[0]:.1f} to {minutes[-1]:.1f} minutes of one thread, on several machines."
    )


def _rows_of_trainings(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The facts of each training in a part of the results."""
    for row in part.values():
        if isinstance(row, dict):
            yield from [row] if "processor_seconds" in row else _rows_of_trainings(row)


def export_steps() -> str:
    """The time of a single step of language models, in the run and exported."""
    measured = _results("export")
    lines = []
    for model in ("lstm", "gru", "transformer"):
        times, ratios = (measured[model][name] for name in ("step_milliseconds", "step_ratio"))
        row = [f"{times[engine]:.2f}" for engine in ("seqloom", "onnx", "weights times a vector", "onnx int8")]
        lines.append((f"`{model}`", *row, *(f"{ratios[engine]:.2f}" for engine in ("onnx", "onnx int8"))))
    names = ("model", "Seqloom, ms", "exported, ms", "its weights times a vector, ms", "8-bit, ms")
    return table((*names, "exported / Seqloom", "8-bit / Seqloom"), lines)


def _export_ratios() -> list[tuple[str, ...]]:
    measured = _results("export")
    return [
        ("`export.py`", f"time of an exported step, {model}", "Seqloom's own step",
         f"{measured[model]['step_ratio']['onnx']:.2f}; int8 {measured[model]['step_ratio']['onnx int8']:.2f}")
        for model in ("lstm", "gru", "transformer")
        if "onnx int8" in measured[model]["step_ratio"]
    ]  # fmt: skip


def _serving_ratios() -> list[tuple[str, ...]]:
    speed = _results("serve")["speed"]
    return [
        ("`serve.py`", f"sentences per second, {clients} clients", "the run in Python, one by one",
         f"{speed[f'{clients}_clients']['ratio']:.2f}")
        for clients in (8, 64)
    ]  # fmt: skip


def serving() -> str:
    """What `benchmarks/serve.py` measured of a server."""
    measured = _results("serve")
    speed, memory, start = measured["speed"], measured["memory"], measured["start"]
    rows = [("one after the other, without a server", f"{speed['one_by_one']:.0f}", "", "")]
    for clients in (1, 8, 64):
        row = speed[f"{clients}_clients"]
        name = "1 client" if clients == 1 else f"{clients} clients"
        rows.append((name, f"{row['sentences_per_second']:.0f}", f"{row['ratio']:.2f}", f"{row['p99_seconds']:.2f} s"))
    first, last = memory["megabytes"]
    sizes = " and ".join(f"{size:.0f}" for size in start["weights_megabytes"])
    ready, answered = statistics.median(start["ready_seconds"]), max(start["first_answers_seconds"])
    return (
        table(("clients", "sentences per second", "ratio", "99th percentile"), rows)
        + "\n\n"
        + _ctranslate2(measured["ctranslate2"])
        + f"\n\nA server of one model (`{measured['memory']['model']}`) holds {first:.0f} MB after 1,000 requests\n"
        f"and {last:.0f} MB after 10,000.\n"
        f"A server of two language models of {sizes} MB answers {ready:.1f} s after the command, the first request of\n"
        f"each within {answered:.2f} s."
    )


def _ctranslate2(rates: dict[str, float]) -> str:
    times = rates["server"] / rates["library"]
    return (
        "A Transformer, asked by eight clients: a server of the run answers "
        f"{rates['server_of_run']:.0f} sentences per\n"
        f"second, one of the model exported to CTranslate2 {rates['server']:.0f}, {times:.2f} times as many as\n"
        f"CTranslate2 itself for eight threads ({rates['library']:.0f}), since it does not join requests."
    )


def explanations() -> str:
    """What `benchmarks/explain.py` measured: the cost of `explain`, and the errors of integrated gradients."""
    measured = _results("explain")["rows"]
    rows = [
        (
            f"`{kind}`",
            f"{row['epoch_seconds']:.1f} s",
            f"{row['seconds']:.1f} s",
            f"{_memory_beyond(row) / 1e6:,.0f} MB",
            f"{row['median_attribution_error']:.2%}, {row['attribution_error']:.2%}"
            if "attribution_error" in row
            else "",
        )
        for kind, row in measured.items()
    ]
    header = (
        "run",
        "epoch",
        "`explain`",
        "memory beyond the training's",
        "error of integrated gradients, median and largest",
    )
    return f"{_worst_explanation(measured)}\n\n{table(header, rows)}"


_FLOOR_SECONDS = 15.0
"""Of an explanation, where an epoch takes less."""


def _worst_explanation(measured: dict[str, Any]) -> str:
    rows = measured.values()
    within = [row["seconds"] <= max(row["epoch_seconds"], _FLOOR_SECONDS) for row in rows]
    errors = [row["attribution_error"] for row in rows if "attribution_error" in row]
    longer = [(kind, row) for kind, row in measured.items() if row["epoch_seconds"] > _FLOOR_SECONDS]
    share, slowest = max((row["seconds"] / row["epoch_seconds"], kind) for kind, row in longer)
    return (
        f"{sum(within)} of {len(within)} runs were explained within an epoch, or within {_FLOOR_SECONDS:.0f} seconds "
        f"where an epoch takes less; of the longer epochs, `{slowest}` needs the largest share, {share:.0%}. At most, "
        f"{max(map(_memory_beyond, rows)) / 1e6:,.0f} MB came on top of the training's memory, and the largest error "
        f"of integrated gradients was {max(errors):.2%}."
    )


def _memory_beyond(row: dict[str, Any]) -> float:
    return max(row["bytes"] - row["training_bytes"], 0)


def word_vectors() -> str:
    """What `benchmarks/word_vectors.py` measured last: medians of the rates, means of the scores."""
    parts = _results("word_vectors")["parts"]
    header = "model", "dimension", "", "words per second", "peak memory", "analogies", "WordSim-353"
    return table(header, [row for part in parts for row in _raced(part)])


def _raced(part: dict[str, Any]) -> list[tuple[str, ...]]:
    rows = []
    for at, (side, name) in enumerate((("ours", "Seqloom"), ("peer", "gensim"))):
        rate = statistics.median(race["words_per_second"] for race in part[side])
        memory = max(race["peak_megabytes"] for race in part[side])
        scores = [f"{part[what][2 * at]:.3f} ± {part[what][2 * at + 1]:.3f}" for what in ("analogies", "similarity")]
        rows.append((f"`{part['model']}`", str(part["dim"]), name, f"{rate:,.0f}", f"{memory:,.0f} MB", *scores))
    return rows


def from_run() -> str:
    """What `benchmarks/from_run.py` measured last: medians of the accuracies."""
    kinds = {"from_nothing": "LSTM at random", "from_run": "from the language model", "bag_of_words": "`bow`"}
    measured = _results("from_run")
    minutes, seeds = measured["minutes_of_the_language_model"], len(measured["accuracy"]["200"])
    rows = [
        (f"{int(size):,}", *(f"{scores[kind]:.1%}" for kind in kinds),
         f"{100 * (scores['from_run'] - scores['from_nothing']):+.1f} points")
        for size, scores in measured["medians"].items()
    ]  # fmt: skip
    return (
        "What it gains (`python benchmarks/from_run.py`): an LSTM language model reads 17,909 film reviews (IMDB) "
        f"without labels for\n{minutes:g} minutes on one core; then LSTM classifiers learn from few labels, each in "
        f"{measured['updates']} updates. Accuracy on 1,994 other reviews,\nmedians of {seeds} seeds:\n\n"
    ) + table(("labels", *kinds.values(), "gain of the LSTM"), rows)


def from_run_pairs() -> str:
    """What `benchmarks/from_run_pairs.py` measured last: the score of each earlier run, and those of all seeds."""
    measured = _results("from_run_pairs")
    names = {"inflection": "German inflection from Spanish", "captions": "image captions from software manuals"}
    rows = []
    for job, scores in measured["scores"].items():
        facts = measured["jobs"][job]
        digits, score = {"exact_match": (3, "exact match"), "bleu": (1, "BLEU")}[facts["score"]]
        columns = [[scores["earlier"]], scores["from_nothing"], scores["from_run"]]
        shown = [", ".join(f"{value:.{digits}f}" for value in column) for column in columns]
        rows.append((names[job], f"{facts['number']:,}", score, *shown))
    minutes, seeds = measured["minutes_of_the_earlier_runs"], len(columns[1])
    return (
        f"Translators of few pairs (`python benchmarks/from_run_pairs.py`): {measured['updates']} updates after an "
        f"earlier run of\n{minutes:g} minutes on one core, or at random; {seeds} seeds, validation data:\n\n"
    ) + table(("job", "pairs", "score", "earlier run, own pairs", "at random", "from the earlier run"), rows)


def few_pairs() -> str:
    """What `benchmarks/few_pairs.py` measured last: exact match of each seed by the share of hallucinated pairs."""
    measured = _results("few_pairs")
    scores, rates = measured["scores"], measured["learning_rates"]
    shares = list(next(iter(scores.values())))
    rows = [
        (
            language.capitalize(),
            *(", ".join(f"{row['exact_match']:.3f}" for row in by_share[share]) for share in shares),
        )
        for language, by_share in scores.items()
    ]
    seeds = len(scores[next(iter(scores))][shares[0]])
    return (
        f"What it gains (`python benchmarks/few_pairs.py`): exact match of inflections (SIGMORPHON 2016) that\n"
        f"neither trained nor chose the weights, after {measured['updates']:,} updates of `{measured['model']}` with "
        f"{measured['pairs']:,} pairs, {seeds} {'seed' if seeds == 1 else 'seeds'}:\n\n"
    ) + table(("language", *(f"`data.hallucinate={float(share):g}`, rate {rates[share]:g}" for share in shares)), rows)


def pronunciation() -> str:
    """What `benchmarks/pronunciation.py` measured last: word error rates, and the seconds of each training."""
    measured = _results("pronunciation")
    rows = [
        (
            name.replace("joint-ngram", "`joint-ngram`").replace("lstm+attention", "`lstm+attention`"),
            f"{row['word_error_rate']:.1f} %",
            f"{row['train_seconds']:,.0f} s" if "train_seconds" in row else "",
            f"{row['words_per_second']:,.0f}",
        )
        for name, row in measured["scores"].items()
    ]
    settings = ", ".join(f"`{name}={value}`" for name, value in measured["settings"].items())
    return (
        f"`python benchmarks/pronunciation.py`: {measured['words']:,} words of CMUdict without stress that neither\n"
        "trained nor chose weights. A word is wrong if the answer is none of its pronunciations. The network has\n"
        f"{settings}, and {measured['machine']['threads']} threads:\n\n"
    ) + table(("model", "wrong words", "training", "words per second"), rows)


def few_tags() -> str:
    """What `benchmarks/few_tags.py` measured last: the accuracy of taggers of few sentences."""
    measured = _results("few_tags")
    texts = {
        "tags alone": "the tags (`language_model_weight=0`)",
        "language model": "and a language model",
        "raw text": f"and {measured['raw_sentences']:,} sentences without tags (`data.raw`)",
    }
    rows = [
        (text, ", ".join(f"{100 * accuracy:.1f}" for accuracy in measured["scores"][kind]["accuracy"]),
         f"{statistics.median(measured['scores'][kind]['processor_seconds']):,.0f} s")
        for kind, text in texts.items()
    ]  # fmt: skip
    sentences, updates, seeds = measured["sentences"], measured["updates"], measured["seeds"]
    return (
        "`python benchmarks/few_tags.py`: accuracy in percent of parts of speech (English Web Treebank), of sentences\n"
        f"that neither trained nor chose weights; {sentences:,} sentences with tags, {updates:,} updates of `bilstm`\n"
        f"on one core, {seeds} seeds:\n\n"
    ) + table(("what is learnt", "accuracy", "processor time"), rows)


def auxiliary_columns() -> str:
    """What `benchmarks/auxiliary_columns.py` measured last: span F1 of single runs and of ensembles."""
    measured = _results("auxiliary_columns")
    texts = {
        "words alone": "the tags",
        "auxiliary": "and the parts of speech (`data.auxiliary`)",
        "features": "the tags, from the words and parts of speech (`data.features`)",
        "features and language model": "the same, and a language model (the default)",
    }
    rows = [
        (data, texts[kind], ", ".join(f"{f1:.1f}" for f1 in row["f1"]), f"{row['ensemble']:.1f}")
        for data, by_kind in measured["scores"].items()
        for kind, row in by_kind.items()
        if kind in texts
    ]
    return (
        "`python benchmarks/auxiliary_columns.py`: span F1 in percent of sentences that neither trained nor chose\n"
        f"weights, {measured['updates']:,} updates of `bilstm` on one core, without a\n"
        f"language model where none is named, {measured['seeds']} seeds and their ensemble:\n\n"
    ) + table(("data", "what is learnt", "single runs", "their ensemble"), rows)


def combine() -> str:
    """What `benchmarks/combine.py` measured last: BLEU of single trainings and of ensembles."""
    kinds = {
        "plain": "falls to 0 along a cosine",
        "constant": "is constant",
        "averaged": "is constant, and the weights are averaged",
    }
    measured = _results("combine")
    rows = [
        (text, ", ".join(f"{bleu:.1f}" for bleu in measured["bleu"][kind]), f"{measured['mean_bleu'][kind]:.1f}",
         f"{measured['ensembles'][kind]:.1f}")
        for kind, text in kinds.items()
    ]  # fmt: skip
    return table(("the learning rate", "single runs", "their mean", "their ensemble"), rows)


def required_words() -> str:
    """What `benchmarks/combine.py` measured last about required words."""
    required = _results("combine")["required"]
    return (
        f"With a random word of each reference required, {required['contained']:,} of {required['answers']:,} answers\n"
        f"contain theirs, and BLEU is {required['bleu']:.1f} instead of {required['without']:.1f}."
    )


def paragraph_vectors() -> str:
    """What `benchmarks/paragraph_vectors.py` measured last: medians of the rates, means of the accuracies."""
    header = "model", "", "words per second", "inferred documents per second", "accuracy"
    rows = []
    for model, sides in _results("paragraph_vectors")["models"].items():
        for side, name in (("seqloom", "Seqloom"), ("gensim", "gensim")):
            rates = (
                statistics.median(result[rate] for result in sides[side])
                for rate in ("words_per_second", "inferred_per_second")
            )
            accuracy = statistics.mean(result["accuracy"] for result in sides[side])
            rows.append((model, name, *(f"{rate:,.0f}" for rate in rates), f"{accuracy:.1%}"))
    return table(header, rows)


def vector_index() -> str:
    """What `benchmarks/vector_index.py` measured last."""
    measured = _results("vector_index")
    building = f"{measured['seconds']:,.0f} s, {measured['index_bytes'] / 1e6:,.0f} MB"
    rows = [
        ("exact", "", f"{measured['milliseconds_exact']:.0f} ms", "all"),
        ("with an index", building, f"{measured['milliseconds_with_index']:.0f} ms", f"{measured['recall']:.1%}"),
    ]
    return table(("search", "building", "one query", "of the 10 nearest"), rows)


def forecasts(*parts: str) -> str:
    """The errors and seconds that `benchmarks/forecast.py` measured last, a table for all of `parts`."""
    measured = _results("forecast")
    rows = [entry for part in parts for entry in measured.get(part, {}).items()]
    header = "model", "MASE", "MSE", "MAE", "CRPS", "coverage of 80 %", "seconds", "peak memory"
    return table(header, [_forecast_row(model, scores) for model, scores in rows])


def _forecast_row(model: str, scores: dict[str, Any]) -> tuple[str, ...]:
    names = {"mase": ".3f", "mse": ".4g", "mae": ".4g", "crps": ".3f", "coverage_80": ".2f", "seconds": ",.1f"}
    shown = scores | {"mse": scores["rmse"] ** 2}
    memory = f"{scores['peak_memory_bytes'] / 1e6:,.0f} MB" if "peak_memory_bytes" in scores else ""
    return (model, *(format(shown[name], form) for name, form in names.items()), memory)


def forecasts_of_classics() -> str:
    """MASE, coverage of 80 % and seconds on the three series of `benchmarks/forecast.py classics`."""
    measured = _results("forecast")["classics"]
    models = dict.fromkeys(model for scores in measured.values() for model in scores)
    lines = []
    for model in models:
        cells = [
            f"{part['mase']:.3f}, {part['coverage_80']:.2f}, {part['seconds']:.1f} s" if part else ""
            for part in (scores.get(model) for scores in measured.values())
        ]
        lines.append((model, *cells))
    header = "airline, 6 months, 31 origins", "CO2, 12 months, 17 origins", "sunspots, 5 years, 12 origins"
    return table(("model", *header), lines)


def forecast_orders() -> str:
    """How often the information criteria find the order of an AR(2), and what its intervals of 90 % cover."""
    lines = [
        (
            f"{int(steps):,}",
            *(f"{100 * row[f'order_by_{name}']:.1f} %" for name in ("hqc", "aicc", "bic")),
            f"{100 * row['coverage_90']:.1f} %",
            f"{100 * row['coefficients_within_a_tenth']:.1f} %",
        )
        for steps, row in _results("forecast")["order"].items()
    ]
    header = "steps", "order by HQc", "AICc", "BIC", "coverage of 90 %", "both coefficients within 0.1"
    return table(header, lines)


def algorithms() -> str:
    """What `benchmarks/algorithms.py` measured last: medians over seeds."""
    measured = _results("algorithms")
    header = "DATA", "model", "seeds", "sequences", "below 1 bit", "below 0.1", "bits", "wrong bits", "beyond training"
    return table(header, [_learnt(*name.split(" "), of) for name, of in sorted(measured.items())])


def _learnt(data: str, model: str, of: dict[str, Any]) -> tuple[str, ...]:
    medians, seeds = of["medians"], of["seeds"].values()
    bits, best = medians["bits"], medians.get("optimal bits")
    beyond = [(what.removesuffix(" wrong"), wrong) for what, wrong in medians.items() if what.endswith(" wrong")]
    firsts = [
        _counts([reached[what] for reached in seeds], medians[what]) for what in ("below 1 bit", "below 0.1 bits")
    ]
    return (
        f"`{data}`",
        f"`{model}`",
        str(len(seeds)),
        f"{of['sequences']:,}",
        *(firsts if best is None else ["-", "-"]),
        f"{bits:.3g}" if best is None else f"{bits:.1f} (optimum {best:.1f})",
        f"{medians['wrong']:.3g}",
        "; ".join(f"`{what}`: {wrong:.3g}" for what, wrong in beyond),
    )


def _counts(counts: list[int | None], median: float | None) -> str:
    """The median of the sequences seen, and the largest, or with how many seeds it never came to that."""
    if median is None:
        return "never"
    reached = [count for count in counts if count is not None]
    worst = f"worst {max(reached):,}" if len(reached) == len(counts) else f"{len(counts) - len(reached)} never"
    return f"{median:,.0f} ({worst})" if len(counts) > 1 else f"{median:,.0f}"


def _results(name: str) -> Any:
    return json.loads((_RESULTS / f"{name}.json").read_text(encoding="utf-8"))
