"""The models that a server answers with: runs, and folders of exported models, behind one contract."""

from __future__ import annotations

import contextlib
import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import RequestError, SeqloomError
from seqloom.serving.next_token import TokenModel
from seqloom.serving.response_error import ResponseError
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import MANIFEST
from seqloom_portable.sampling import Sampling

if TYPE_CHECKING:
    from seqloom.metrics.forecasting import ForecastRow
    from seqloom.run import Run

ABILITIES = {
    "language-model": ("completions", "next", "score"),
    "translate": ("translate", "score"),
    "classify": ("classify",),
    "tag": ("tag",),
    "forecast": ("forecast",),
    "transcribe": ("transcribe",),
    "vectors": ("nearest", "analogy"),
    "algorithm": ("memory",),
}
"""What a model of a task can be asked, by the last part of an endpoint's path. Those that have vectors of texts can be
asked for `embeddings` too."""


_SILENCE = struct.pack(
    "<4sI8sIHHIIHH4sI", b"RIFF", 16_036, b"WAVEfmt ", 16, 1, 1, 8_000, 16_000, 2, 16, b"data", 16_000
) + bytes(16_000)
"""A WAV file of a second."""


class Hosted(ABC):
    """A model under a `name`. All calls run on the worker's thread. Raises SeqloomError or PortableError for what
    cannot be answered."""

    name: str
    task: str
    model: str
    folder: Path
    facts: Mapping[str, Any]
    """What the page shows of it: its score on held-out data, its size, its settings of decoding."""
    abilities: frozenset[str]

    def check_able(self, ability: str) -> None:
        if ability not in self.abilities:
            able = ", ".join(sorted(self.abilities)) or "nothing"
            raise ResponseError(
                404, f"the model {self.name!r} cannot be asked for {ability}; it can for {able}", "model"
            )

    @cached_property
    @abstractmethod
    def tokens(self) -> TokenModel:
        """Of a language model."""

    @abstractmethod
    def answers(self, inputs: Sequence[Any], options: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
        """The answers to each input, the best first, as `predict --json` writes them. Recordings are the bytes of a
        file."""

    @abstractmethod
    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[list[tuple[str, float]]]:
        """Of a translator: the tokens of each target with their log-probabilities, its end included."""

    @abstractmethod
    def embed(self, inputs: Sequence[str]) -> NDArray[np.float32]:
        """(inputs, dimension)."""

    @abstractmethod
    def forecast(self, rows: Mapping[str, Sequence[Any]] | Sequence[float], horizon: int) -> list[dict[str, Any]]:
        """The steps after a table of columns, or after the values of one series."""

    @abstractmethod
    def vectors(self) -> Any:
        """Of word vectors: what has `similar`, `analogy` and `vector`."""

    def warm_up(self) -> None:
        """Answers one small request of each kind, so that kernels are loaded, or compiled, before people wait."""
        first_requests: dict[str, Callable[[], Any]] = {
            "completions": lambda: next(self.tokens.continuation("", Sampling(), seed=1)),
            "next": lambda: self.tokens.next("", 1),
            "score": lambda: self.score_pairs([("a", "a")]) if self.task == "translate" else [*self.tokens.score("a")],
            "nearest": lambda: self.vectors().similar(self.vectors().words[0], 1),
            "embeddings": lambda: self.embed(["a"]),
            "forecast": lambda: self.forecast([1.0, 2.0] * 100, 0),
            "memory": lambda: self.memory(1),
            "transcribe": lambda: [*self.answers([_SILENCE], {})],
            **{name: lambda: [*self.answers(["a"], {})] for name in ("translate", "classify", "tag")},
        }
        for ability in sorted(self.abilities & first_requests.keys()):
            with contextlib.suppress(SeqloomError, PortableError):  # of a model that reads something else
                first_requests[ability]()

    def memory(self, seed: int) -> dict[str, Any]:
        """Of a Neural Turing Machine: one generated sequence, and where its heads looked."""
        raise self._unable("memory", seed)

    def _unable(self, what: str, _: object = None) -> ResponseError:
        return ResponseError(404, f"the model {self.name!r} has no {what}", "model")


class HostedRun(Hosted):
    def __init__(self, name: str, run: Run) -> None:
        from seqloom.models.counted import CountBased
        from seqloom.models.ngram.model import NgramModel
        from seqloom.tasks.capabilities import Embeds

        self.name, self.run, self.folder = name, run, run.folder
        self.task, self.model = run.plan.task, run.plan.model
        is_counted = isinstance(run.model, CountBased | NgramModel)
        embeds = isinstance(run.task, Embeds) and not is_counted and run.plan.model != "bow"
        able = [*ABILITIES.get(self.task, ()), *(["embeddings"] if embeds else [])]
        if self.task == "algorithm" and not _has_memory(run):
            able = []
        self.abilities = frozenset(able)
        summary = run.summary
        part = next((part for part in ("test", "valid") if summary.get(part)), None)
        score = {} if part is None else {"score": {summary["score"]: summary[part][summary["score"]], "on": part}}
        self.facts = {"parameters": run.num_parameters(), **score}
        if self.task == "forecast":
            self.facts |= {"horizon": run.codec.horizon, "frequency": run.codec.frequency.description}

    @cached_property
    def tokens(self) -> TokenModel:
        import torch

        from seqloom.nn.layer import state_tensors

        model, run = self.run.model, self.run
        device = state_tensors(model.initial_state(1))[0].device

        def step(token_ids: NDArray[np.int64], state: Any) -> tuple[NDArray[Any], Any]:
            log_probs, state = model.next_log_probs(torch.from_numpy(token_ids).to(device), state)
            return log_probs[0].float().cpu().numpy(), state

        def log_probs(token_ids: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[Any]:
            inputs, outputs = (torch.from_numpy(ids).to(device) for ids in (token_ids, targets))
            scores, _ = model.log_prob(inputs, outputs, model.initial_state(1))
            return scores[0].double().cpu().numpy()

        first_input = run.task.first_input(run.plan.settings)  # type: ignore[attr-defined]
        return TokenModel(run.codec.tokenizer, first_input, lambda: model.initial_state(1), step, log_probs)

    def answers(self, inputs: Sequence[Any], options: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
        if self.task == "transcribe":
            from seqloom.data.sound.sound_file import decode

            inputs = [decode(content, "the recording") for content in inputs]
        for answers in self.run.answers(inputs, **options):
            yield [answer.to_json() for answer in answers]

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[list[tuple[str, float]]]:
        return [[(token.token, token.log_prob) for token in tokens] for tokens in self.run.score_tokens(pairs)]

    def embed(self, inputs: Sequence[str]) -> NDArray[np.float32]:
        return self.run.embed(inputs)

    def forecast(self, rows: Mapping[str, Sequence[Any]] | Sequence[float], horizon: int) -> list[dict[str, Any]]:
        import polars as pl

        from seqloom.data.series_table import table_of

        codec, settings = self.run.codec, self.run.trained.settings.data
        if not isinstance(rows, Mapping):
            columns = codec.columns
            more = [*columns.past, *columns.ahead, *columns.static]
            if more:
                raise RequestError("the model needs more than values", where="values", expected=f"rows with {more}")
            series = {columns.series: [""] * len(rows)} if columns.series else {}
            steps = np.arange(len(rows))
            times = steps.tolist() if codec.frequency.unit == "step" else codec.frequency.to_text(steps)
            rows = {columns.time: times, columns.target[0]: list(rows), **series}
            codec = _of_one_target(codec)
        table = table_of(pl.DataFrame(rows, strict=False), "rows", settings, codec.columns, codec.categories,
                         codec.frequency)  # fmt: skip
        trained = self.run.trained._replace(codec=codec)
        forecast = self.run.task.forecast(trained, table.panel, horizon, 0, 1)  # type: ignore[attr-defined]
        return [_step(row) for row in forecast]

    def vectors(self) -> Any:
        return self._vectors

    @cached_property
    def _vectors(self) -> Any:
        from seqloom.run.embeddings import Vectors

        return Vectors.open(self.folder)

    def memory(self, seed: int) -> dict[str, Any]:
        from seqloom.data.synthetic import SyntheticData
        from seqloom.explain.heads import watch

        data = SyntheticData(self.run.codec.algorithm(), 1, seed)
        trace = watch(self.run.task, self.run.trained, data, most=1)[0]
        bands = [{"name": band.name, "values": np.round(band.values, 3).tolist()} for band in trace.steps.bands]
        weights = np.round(trace.weights, 3).transpose(1, 2, 0).tolist()
        return {"bands": bands, "heads": weights, "read_heads": trace.read_heads}


def _of_one_target(codec: Any) -> Any:
    from dataclasses import replace

    columns = codec.columns.model_copy(update={"target": codec.columns.target[:1]})
    return replace(codec, columns=columns)


def _step(row: ForecastRow) -> dict[str, Any]:
    from seqloom.models.forecasting.forecast import LEVELS

    quantiles = {f"{level:g}": value for level, value in zip(LEVELS, row.quantiles.tolist(), strict=True)}
    return {"series": row.series, "time": row.time, "mean": row.mean, "quantiles": quantiles}


def _has_memory(run: Run) -> bool:
    from seqloom.nn.ntm.head_weights import RecordsWeights

    return any(isinstance(part, RecordsWeights) for part in run.model.modules())


class HostedFolder(Hosted):
    """A model that was exported, and runs without torch."""

    def __init__(self, name: str, folder: Path, threads: int) -> None:
        import seqloom_portable

        self.name, self.folder = name, folder
        self.loaded = seqloom_portable.load(folder, threads)
        manifest = self.loaded.folder.manifest if hasattr(self.loaded, "folder") else {}
        self.task, self.model = str(manifest.get("task", "vectors")), str(manifest.get("model", ""))
        embeds = hasattr(self.loaded, "embed") and manifest.get("kind") != "bag of words" and self.task != "vectors"
        able = set(ABILITIES.get(self.task, ())) - {"memory"}
        if self.task == "language-model" and not hasattr(self.loaded, "next_log_probs"):
            able = set()  # CTranslate2's only scores whole lines
        if self.task == "translate":
            able.discard("score")
        self.abilities = frozenset(able | ({"embeddings"} if embeds else set()))
        self.facts = {"kind": manifest.get("kind", "word vectors")}
        if self.task == "forecast":
            self.facts |= {"horizon": self.loaded.horizon}

    @cached_property
    def tokens(self) -> TokenModel:
        loaded = self.loaded

        def step(token_ids: NDArray[np.int64], state: Any) -> tuple[NDArray[Any], Any]:
            log_probs, state = loaded.next_log_probs(token_ids, state)
            return log_probs[0], state

        def log_probs(token_ids: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[Any]:
            lengths = np.array([token_ids.shape[1]], np.int64)
            scores, _ = loaded.target_log_probs(token_ids, targets, lengths, loaded.first_state(1))
            return scores[0]

        return TokenModel(loaded.tokenizer, loaded.first_input, lambda: loaded.first_state(1), step, log_probs)

    def answers(self, inputs: Sequence[Any], options: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
        if not hasattr(self.loaded, "answers"):
            yield from ([{"text": text}] for text in self.loaded.predict(inputs))
            return
        options = dict(options)
        shows_attention, most = options.pop("attention", False), options.get("n_best")
        if self.task == "classify":
            options.pop("n_best", None)
        for answers in self.loaded.answers(inputs, **options):
            if self.task == "classify":
                yield [{"label": item.text, "probability": item.probability} for item in answers[:most]]
            elif self.task == "tag":
                yield [_tagged(answers)]
            else:
                shown = [{"text": item.text, "log_prob": item.log_prob, "score": item.score} for item in answers]
                if shows_attention:
                    shown = [
                        {**plain, **({} if item.attention is None else {"weights": item.attention.tolist()})}
                        for plain, item in zip(shown, answers, strict=True)
                    ]
                yield shown

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[list[tuple[str, float]]]:
        raise self._unable("scores of tokens", pairs)

    def embed(self, inputs: Sequence[str]) -> NDArray[np.float32]:
        return self.loaded.embed(inputs)

    def forecast(self, rows: Mapping[str, Sequence[Any]] | Sequence[float], horizon: int) -> list[dict[str, Any]]:
        if isinstance(rows, Mapping):
            raise RequestError("an exported model forecasts one series of values", where="rows", expected="values")
        if horizon > self.loaded.horizon:
            raise RequestError(
                "the horizon is out of range", where="horizon", expected=f"at most {self.loaded.horizon}"
            )
        ahead = self.loaded.forecast(np.asarray(rows, np.float64))
        names = [f"{level:g}" for level in self.loaded.levels]
        return [
            {"series": "", "time": str(number + 1), "mean": float(point),
             "quantiles": dict(zip(names, map(float, quantiles), strict=True))}
            for number, (point, quantiles) in enumerate(zip(ahead.point, ahead.quantiles, strict=True))
        ][: horizon or None]  # fmt: skip

    def vectors(self) -> Any:
        return self.loaded


def _tagged(answer: Any) -> dict[str, Any]:
    plain = {
        "words": list(answer.words),
        "tags": list(answer.tags),
        "probabilities": [round(p, 6) for p in answer.probabilities],
    }
    if answer.spans is None:
        return plain
    return plain | {"spans": [{"type": kind, "start": start, "end": stop} for kind, start, stop in answer.spans]}


def open_hosted(folder: Path, name: str, threads: int = 0) -> Hosted:
    """The model of a run's folder or of an exported one. Raises SeqloomError where it is neither."""
    if (folder / MANIFEST).exists():
        try:
            return HostedFolder(name, folder, max(threads, 1))
        except PortableError as error:
            raise SeqloomError(str(error), where=str(folder)) from None
    from seqloom.run import load

    return HostedRun(name, load(folder, threads=threads))


def names_of(folders: Sequence[Path]) -> list[str]:
    """A name for each model: that of its folder, with a number where two have the same."""
    names: list[str] = []
    for folder in folders:
        plain = re.sub(r"[^\w.+-]+", "-", folder.resolve().name) or "model"
        name, number = plain, 2
        while name in names:
            name, number = f"{plain}-{number}", number + 1
        names.append(name)
    return names
