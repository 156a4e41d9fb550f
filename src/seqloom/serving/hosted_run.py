"""A run of Seqloom's behind a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import RequestError
from seqloom.serving.hosted import ABILITIES, Hosted, Table
from seqloom.serving.next_token import States, TokenModel

if TYPE_CHECKING:
    from seqloom.metrics.forecasting import ForecastRow
    from seqloom.run import Run


class HostedRun(Hosted):
    def __init__(self, name: str, run: Run) -> None:
        self.name, self.run, self.folder = name, run, run.folder
        self.task, self.model = run.plan.task, run.plan.model
        able = set(ABILITIES.get(self.task, ()))
        if not _has_memory(run):
            able.discard("memory")
        self.abilities = frozenset(able | ({"embeddings"} if self.can_embed() else set()))
        summary = run.summary
        part = next((part for part in ("test", "valid") if summary.get(part)), None)
        score = {} if part is None else {"score": {summary["score"]: summary[part][summary["score"]], "on": part}}
        self.facts = {"parameters": run.num_parameters(), **score}
        if self.task == "forecast":
            self.facts |= {"horizon": run.codec.horizon, "frequency": run.codec.frequency.description}
        self.facts |= _channels(run)

    @cached_property
    def tokens(self) -> TokenModel:
        import torch

        from seqloom.nn.layer import map_state, restore_state, state_tensors

        model, run = self.run.model, self.run
        device = state_tensors(model.initial_state(1))[0].device

        def step(token_ids: NDArray[np.int64], state: Any) -> tuple[NDArray[Any], Any]:
            log_probs, state = model.next_log_probs(torch.from_numpy(token_ids).to(device), state)
            return log_probs.float().cpu().numpy(), state

        def log_probs(token_ids: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[Any]:
            inputs, outputs = (torch.from_numpy(ids).to(device) for ids in (token_ids, targets))
            scores, _ = model.log_prob(inputs, outputs, model.initial_state(1))
            return scores[0].double().cpu().numpy()

        first_input = run.task.first_input(run.plan.settings)  # type: ignore[attr-defined]

        def join(states: Sequence[Any]) -> Any:
            tensors = zip(*map(state_tensors, states), strict=True)
            return restore_state(states[0], [torch.cat(rows) for rows in tensors])

        states = States(
            join,
            lambda state, number: map_state(lambda tensor: tensor[number : number + 1], state),
            lambda state: tuple(tensor.shape[1:] for tensor in state_tensors(state)),
        )
        return TokenModel(run.codec.tokenizer, first_input, lambda: model.initial_state(1), step, log_probs, states)

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

    def forecast(self, values: Table | Sequence[float], horizon: int) -> list[dict[str, Any]]:
        import polars as pl

        from seqloom.data.series.table import table_of

        codec, settings = self.run.codec, self.run.trained.settings.data
        if not isinstance(values, Mapping):
            columns = codec.columns
            more = [*columns.past, *columns.ahead, *columns.static]
            if more:
                raise RequestError("the model needs more than values", where="values", expected=f"rows with {more}")
            series = {columns.series: [""] * len(values)} if columns.series else {}
            steps = np.arange(len(values))
            times = steps.tolist() if codec.frequency.unit == "step" else codec.frequency.to_text(steps)
            values = {columns.time: times, columns.target[0]: list(values), **series}
            codec = replace(codec, columns=columns.model_copy(update={"target": columns.target[:1]}))
        table = table_of(pl.DataFrame(values, strict=False), "rows", settings, codec.columns, codec.categories,
                         codec.frequency)  # fmt: skip
        trained = self.run.trained._replace(codec=codec)
        forecast = self.run.task.forecast(trained, table.panel, horizon, 0, 1)  # type: ignore[attr-defined]
        return [forecast_step(row) for row in forecast]

    @cached_property
    def vectors(self) -> Any:
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


def forecast_step(row: ForecastRow) -> dict[str, Any]:
    from seqloom.models.forecasting.forecast import LEVELS

    quantiles = {f"{level:g}": value for level, value in zip(LEVELS, row.quantiles.tolist(), strict=True)}
    return {"series": row.series, "time": row.time, "mean": row.mean, "quantiles": quantiles}


def _channels(run: Run) -> dict[str, int]:
    """The numbers of a vector or of a step, where the model reads such."""
    from seqloom.data.descriptions import DescriptionCodec
    from seqloom.data.tagged_frames import FrameTagCodec

    codec = run.codec
    if isinstance(codec, DescriptionCodec):
        return {"channels": codec.frames.channels * codec.parts}
    return {"channels": codec.frames.channels} if isinstance(codec, FrameTagCodec) else {}


def _has_memory(run: Run) -> bool:
    import torch

    from seqloom.nn.ntm.head_weights import RecordsWeights

    return isinstance(run.model, torch.nn.Module) and any(
        isinstance(part, RecordsWeights) for part in run.model.modules()
    )
