"""From files of series to data: roles of columns, a grid of times, chronological splits."""

from __future__ import annotations

import json
import sys
from collections.abc import Sized
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqloom.data.codec import SavedAsJson
from seqloom.data.corpus import Corpus, Sources
from seqloom.data.growth import of_kind
from seqloom.data.input_source import content_hash, rereadable
from seqloom.data.series.columns import Columns, ColumnSettings
from seqloom.data.series.frequency import Frequency
from seqloom.data.series.panel import Panel, SeriesData, split_in_time
from seqloom.data.series.table import Categories, SeriesTable, read_panel
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import reading
from seqloom.runtime import cache_folder
from seqloom_portable.closed_form import seasonal_differences

_SHORTEST_HORIZON = 6

_VERY_MANY = 200
"""From this number of series on, validation uses only some of them."""

_MANY = 10
"""From this number of series on, the test part is one horizon of each; with fewer it is longer."""


class SeriesSettings(ColumnSettings):
    horizon: int = Field(0, ge=0, le=10_000, description="steps to forecast; 0: a season, at least 6")
    valid_steps: int = Field(
        0,
        ge=0,
        description="steps of each series for validation; 0: a horizon, with few series a tenth; as many as test_steps "
        "if that is set, up to a fifth",
    )
    test_steps: int = Field(
        0, ge=0, description="steps of each series for the test; 0: a horizon, with few series a fifth"
    )
    valid_every: int = Field(
        0, ge=0, le=1_000_000, description="validate on every n-th series; 0: on all, from 200 series on every fifth"
    )
    origins: int = Field(0, ge=0, description="origins of each series in a split; 0: up to 24, fewer with many series")


@dataclass(frozen=True)
class SeriesCodec(SavedAsJson):
    """What a run saves about its data: how tables are read, the grid of times, the horizon."""

    data_kind: ClassVar[str] = "series in time"
    file = "series.json"

    columns: Columns
    categories: Categories
    frequency: Frequency
    period: int
    horizon: int
    past: int
    ahead: int
    static: int
    """The number of columns of each kind of covariate; each word of a column of words is one column."""

    @classmethod
    def of(cls, table: SeriesTable, horizon: int) -> SeriesCodec:
        panel = table.panel
        return cls(
            table.columns, table.categories, panel.frequency, panel.period, horizon, panel.past.shape[1],
            panel.ahead.shape[1], panel.static.shape[1],
        )  # fmt: skip

    @classmethod
    def load(cls, folder: Path) -> SeriesCodec:
        path = folder / cls.file
        try:
            with reading(path):
                content = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                **{
                    **content,
                    "columns": Columns.model_validate(content["columns"]),
                    "frequency": Frequency(**content["frequency"]),
                }
            )
        except (ValueError, KeyError, TypeError) as error:
            raise SeqloomError("the description of the series is damaged", where=str(path), got=repr(error)) from None

    def to_json(self) -> str:
        content = {**self.__dict__, "columns": self.columns.model_dump(), "frequency": asdict(self.frequency)}
        return json.dumps(content, indent=1) + "\n"

    def begin_from(self, earlier: Any) -> SeriesCodec:
        """Tables are read as in the earlier run."""
        return of_kind(earlier, SeriesCodec)

    def facts(self) -> dict[str, int]:
        return {"period": self.period, "horizon": self.horizon}


@dataclass(frozen=True)
class SeriesRecipe:
    """Reads and splits tables by `settings`. Each split knows the steps before it."""

    settings: SeriesSettings
    earlier: SeriesCodec | None = None
    """That of a run to initialise from; then tables are read as in that run."""

    def beginning_with(self, earlier: SeriesCodec, grows: bool) -> SeriesRecipe:  # noqa: ARG002
        """The same recipe with the `earlier` codec, which cannot grow: columns and horizon are sizes of the network."""
        return SeriesRecipe(self.settings, of_kind(earlier, SeriesCodec))

    def load(self, folder: Path) -> SeriesCodec:
        return SeriesCodec.load(folder)

    def held_out_part(self, sources: Sources) -> str:  # noqa: ARG002
        return "steps at the end of each series, those of the test last"

    def fingerprint(self, name: str) -> str:
        return content_hash(name)

    def prepare(self, sources: Sources) -> Corpus[Any, Any]:
        """The end of each series in `data` is held out. A separate file for validation or test has whole series, whose
        end is scored."""
        sources.check_nothing_drawn("the end of each series is held out")
        table = self._read(sources.data, self.earlier)
        codec = self.earlier or SeriesCodec.of(table, self.horizon(table.panel))
        panel = table.panel
        _describe(panel, codec.horizon, table.notes)
        self._check(panel, codec.horizon, sources.data)
        valid_steps, test_steps = self.steps(panel, codec.horizon)
        splits = split_in_time(
            panel,
            valid_steps if sources.valid is None else 0,
            test_steps if sources.valid is sources.test is None else 0,
            self.settings.valid_every or (5 if len(panel) >= _VERY_MANY else 1),
        )
        valid = splits.valid if sources.valid is None else self.encode(sources.valid, codec)
        test = splits.test if sources.test is None else self.encode(sources.test, codec)
        if not len(valid) or not len(splits.train):
            raise _too_short(panel, codec.horizon, valid_steps + test_steps, sources.data)
        return Corpus(codec, splits.train, valid, test)

    def encode(self, name: str, codec: SeriesCodec) -> SeriesData:
        """Other series, whose end is scored like a test part."""
        panel = self.panel(name, codec)
        _, test_steps = self.steps(panel, codec.horizon)
        splits = split_in_time(panel, 0, test_steps)
        return splits.test if splits.test is not None else SeriesData(panel, panel.lengths, panel.lengths)

    def panel(self, name: str, codec: SeriesCodec) -> Panel:
        """The series of another file, read in the same way as the training data."""
        table = self._read(name, codec)
        for note in table.notes:
            print(note, file=sys.stderr)
        return table.panel

    def _read(self, name: str, codec: SeriesCodec | None) -> SeriesTable:
        path = rereadable(name, cache_folder())
        if codec is None:
            return read_panel(path, self.settings)
        return read_panel(path, self.settings, codec.columns, codec.categories, codec.frequency)

    def horizon(self, panel: Panel) -> int:
        return self.settings.horizon or max(panel.period, _SHORTEST_HORIZON)

    def steps(self, panel: Panel, horizon: int) -> tuple[int, int]:
        """Steps of each series in the validation and the test part."""
        length = int(np.median(panel.lengths))
        typical, test = 0 if len(panel) >= _MANY else length, self.settings.test_steps
        # A longer test part has origins at other places of a cycle; those that select the weights should have them too.
        valid = self.settings.valid_steps or max(horizon, typical // 10, min(test, length // 5))
        return valid, test or max(horizon, typical // 5)

    def origin_step(self, data: SeriesData, horizon: int) -> int:
        """Steps between two origins of a split, for about the number of origins that is set."""
        max_origins = self.settings.origins or max(1, min(24, 2_000 // max(len(data.panel), 1)))
        spare = int(np.median(data.last - data.first)) - horizon
        return max(1, -(-spare // max(max_origins - 1, 1)) if max_origins > 1 else spare + 1)

    def _check(self, panel: Panel, horizon: int, where: str) -> None:
        """Refuses or warns of series that cannot be forecast or scored."""
        lengths = panel.lengths
        if lengths.max() <= horizon:
            raise _too_short(panel, horizon, 0, where)
        short = np.flatnonzero(lengths <= horizon)
        if len(short):
            first = int(short[0])
            print(
                f"{len(short)} series {_are(short)} not longer than the horizon of {horizon} and not used in training "
                f"and scores; the first is {panel.names[first]}, with {int(lengths[first])} values",
                file=sys.stderr,
            )
        constant = [i for i in range(len(panel)) if lengths[i] > 1 and _repeats(panel.of(i), panel.period)]
        if constant:
            which = panel.names[constant[0]] or "the series"
            print(
                f"{len(constant)} series {_are(constant)} constant or exactly periodic (the first is {which}): the "
                "seasonal naive error is 0, so scaled scores leave them out",
                file=sys.stderr,
            )


def _are(items: Sized) -> str:
    return "is" if len(items) == 1 else "are"


def _repeats(values: NDArray[np.float64], period: int) -> bool:
    return not seasonal_differences(values, period).any()


def _too_short(panel: Panel, horizon: int, held_out: int, where: str) -> RequestError:
    longest = int(panel.lengths.max())
    return RequestError(
        "the series are too short", where=where,
        got=f"{longest} value{'' if longest == 1 else 's'}" + (" in the longest" if len(panel) > 1 else ""),
        expected=f"more than the horizon of {horizon}"
        + (f" and the {held_out} steps that are held out" if held_out else ""),
        hint="--set data.horizon=.., data.valid_steps=.. or data.test_steps=..",
    )  # fmt: skip


def _describe(panel: Panel, horizon: int, notes: list[str]) -> None:
    """Prints to standard error what was read and inferred."""
    lengths = panel.lengths
    span = panel.frequency.to_text(np.array([panel.starts.min(), (panel.starts + lengths).max() - 1]))
    count = f"{lengths.min()} to {lengths.max()}" if lengths.min() < lengths.max() else f"{lengths[0]}"
    print(
        f"{len(panel)} series of {count} values, {panel.frequency.description}, {span[0]} to {span[1]}; "
        f"period {panel.period}, horizon {horizon}",
        file=sys.stderr,
    )
    for note in notes:
        print(note, file=sys.stderr)
