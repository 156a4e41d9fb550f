"""Tables of series: columns recognised, dates of all forms, grids, gaps, and what is refused with its line."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from seqloom.data.corpus import Sources
from seqloom.data.series.columns import ColumnSettings
from seqloom.data.series.frequency import Frequency
from seqloom.data.series.panel import Panel, split_in_time
from seqloom.data.series.recipe import SeriesCodec, SeriesRecipe, SeriesSettings
from seqloom.data.series.table import SeriesTable, read_panel
from seqloom.errors import SeqloomError


def read(folder: Path, text: str, **settings: object) -> SeriesTable:
    path = folder / "series.csv"
    path.write_text(text)
    return read_panel(str(path), ColumnSettings.model_validate(settings))


def refused(folder: Path, text: str, **settings: object) -> SeqloomError:
    with pytest.raises(SeqloomError) as caught:
        read(folder, text, **settings)
    return caught.value


def rows(times: list[str], header: str = "date,y", values: list[float] | None = None) -> str:
    numbers = values or list(range(1, len(times) + 1))
    return header + "\n" + "".join(f"{time},{value}\n" for time, value in zip(times, numbers, strict=True))


@pytest.mark.parametrize(
    ("times", "frequency", "first"),
    [
        (["1949-01", "1949-02", "1949-03"], "1mo", "1949-01-01"),
        (["2020-01-31", "2020-02-29", "2020-03-31"], "1mo", "2020-01-01"),
        (["2020-01-01", "2020-04-01", "2020-07-01"], "1q", "2020-01-01"),
        (["2020Q1", "2020Q2", "2020Q4"], "1q", "2020-01-01"),
        (["2000-07-01", "2001-07-01", "2002-07-01"], "1y", "2000-07-01"),
        (["19580329", "19580405", "19580412"], "1w", "1958-03-29"),
        (["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"], "1b", "2024-01-04"),
        (["2024-01-04", "2024-01-05", "2024-01-06"], "1d", "2024-01-04"),
        (["2016-07-01 00:00:00", "2016-07-01 01:00:00", "2016-07-01 02:00:00"], "1h", "2016-07-01T00:00:00"),
        (["2016-07-01T00:00", "2016-07-01T00:15", "2016-07-01T00:30"], "15m", "2016-07-01T00:00:00"),
        (["31/12/2023", "01/01/2024", "02/01/2024"], "1d", "2023-12-31"),
        (["12/31/2023", "01/01/2024", "01/02/2024"], "1d", "2023-12-31"),
        (["Jan 2020", "Feb 2020", "Mar 2020"], "1mo", "2020-01-01"),
        (["1700", "1701", "1702"], "1", "1700"),
        (["0", "5", "10"], "5", "0"),
    ],
)
def test_dates_of_any_form_and_their_frequency(tmp_path: Path, times: list[str], frequency: str, first: str) -> None:
    panel = read(tmp_path, rows(times)).panel
    assert panel.frequency.text == frequency
    assert panel.frequency.to_text(panel.starts)[0] == first


@pytest.mark.parametrize("text", ["1", "30s", "15m", "1h", "1d", "2w", "1b", "1mo", "1q", "1y", "2y"])
def test_a_frequency_reads_what_it_writes(text: str) -> None:
    frequency = Frequency.parse(text)
    assert frequency.text == text
    steps = np.arange(-3, 40)
    assert (frequency.index(frequency.times(steps))[0] == steps).all()


def test_long_and_wide_tables_hold_the_same_series(tmp_path: Path) -> None:
    wide = read(tmp_path, "date,a,b\n2020-01-01,1,10\n2020-01-02,2,20\n2020-01-03,3,\n").panel
    long = "series,date,value\nb,2020-01-02,20\na,2020-01-01,1\nb,2020-01-01,10\na,2020-01-02,2\na,2020-01-03,3\n"
    other = read(tmp_path, long).panel
    for panel in (wide, other):
        series = {name: panel.of(number).tolist() for number, name in enumerate(panel.names)}
        assert series == {"a": [1, 2, 3], "b": [10, 20]}


def test_covariates_known_ahead_go_on_after_the_values(tmp_path: Path) -> None:
    text = "date,y,holiday,load,shop\n2020-01-01,1,0,5,north\n2020-01-02,2,1,6,north\n2020-01-03,,1,,north\n"
    panel = read(tmp_path, text, ahead=("holiday",), past=("load",), static=("shop",), target=("y",)).panel
    assert panel.of(0).tolist() == [1, 2]
    history = panel.history(0)
    assert history.ahead.tolist() == [[0], [1], [1]]
    assert history.past.tolist() == [[5], [6]]
    assert history.static.tolist() == [1]


def test_a_coarser_frequency_takes_values_together(tmp_path: Path) -> None:
    text = rows(["2020-01-01", "2020-01-15", "2020-02-03", "2020-04-09"], values=[1, 3, 5, 7])
    table = read(tmp_path, text, frequency="1mo")
    assert table.panel.of(0).tolist() == [2, 5, 6, 7]
    assert "1 of 4 values is missing and was interpolated" in table.notes[0]
    assert read(tmp_path, text, frequency="1mo", aggregate="sum", gaps="zero").panel.of(0).tolist() == [4, 5, 0, 7]


def test_integers_of_any_size_are_numbers(tmp_path: Path) -> None:
    text = "date,y\n2020-01-01,1\n2020-01-02,999999999999999999999999999999\n"
    assert read(tmp_path, text).panel.of(0).tolist() == [1, 1e30]


def test_gaps_are_filled_as_asked_within_each_series(tmp_path: Path) -> None:
    text = "id,t,y\na,1,1\na,4,4\nb,1,10\nb,2,\nb,3,30\n"
    assert read(tmp_path, text).panel.values.tolist() == [1, 2, 3, 4, 10, 20, 30]
    assert read(tmp_path, text, gaps="previous").panel.values.tolist() == [1, 1, 1, 4, 10, 10, 30]
    assert read(tmp_path, text, gaps="zero").panel.values.tolist() == [1, 0, 0, 4, 10, 0, 30]
    error = refused(tmp_path, text, gaps="refuse")
    assert error.what == "values are missing between others"
    assert error.got == "3, the first of a at 2"


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        (rows(["2020-01-01", "2020-01-02", "2020-01-02"]), "two rows of a series have the same time", ":4"),
        (rows(["2020-01-01", "2020-01-02", "03.01.2020"]), "dates have two formats", ":4"),
        (rows(["2020-01-01", "2020-01-02", "soon"]), "a time is not a date", ":4"),
        (rows(["0000-01-01", "soon", "2020-01-02"]), "a time is not a date", ":3"),
        (rows(["01/02/2020", "02/02/2020", "03/02/2020"]), "dates are ambiguous: the day or the month", ":2"),
        ("date,y\n2020-01-01,1\n2020-01-02,inf\n", "a value is infinite", ":3"),
        ("date,y\n2020-01-01,1\n2020-01-02,-1e308\n", "a value is too large", ":3"),
        ("date,value\n2020-01-01,1\n2020-01-02,much\n", "a value is not a number", ":3"),
        ("date,sold\n" + "".join(f"2020-01-0{day},{day}\n" for day in range(1, 9)) + "2020-01-09,none\n",
         "a value is not a number", ":10"),
        ("date,shop\n2020-01-01,north\n", "no column is recognised as the values", ""),
        ("date,y\n2020-01-01,1\n,2\n", "a time is missing", ":3"),
        ("date,y\n2020-01-01 00:00:00,1\n2020-01-01 01:00:00,2\n2020-01-01 02:00:00,3\n2020-01-01 02:30:00,4\n",
         "a time is not on the grid", ":5"),
        ("y,z\n1,2\n", "no column is recognised as the times", ""),
        ("date,y\n2020-01-01,\n2020-01-02,\n", "a column has no values", ""),
        ("date,y\n", "there are no rows", ""),
        ("", "the file is empty", ""),
        ("2020-01-01,1\n2020-01-02,2\n", "the table has no header", ":1"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_series_is_refused_with_its_line(tmp_path: Path, text: str, what: str, where: str) -> None:
    error = refused(tmp_path, text)
    assert what in error.what
    assert str(error.where).endswith(where)


def test_a_named_column_that_is_not_there_gets_the_nearest(tmp_path: Path) -> None:
    error = refused(tmp_path, "date,sales\n2020-01-01,1\n", target=("sale",))
    assert error.hint == "did you mean 'sales'?"


def test_a_frame_of_polars_and_one_with_an_index_are_data(tmp_path: Path) -> None:
    days = [datetime.date(2020, 1, day) for day in (1, 2, 3)]
    path = tmp_path / "frame.parquet"
    pl.DataFrame({"ds": days, "y": [1, 2, 3]}).write_parquet(path)
    panel = read_panel(str(path), ColumnSettings()).panel
    assert (panel.of(0).tolist(), panel.frequency.text) == ([1, 2, 3], "1d")


def test_splits_follow_one_another_in_time(tmp_path: Path) -> None:
    text = "id,t,y\n" + "".join(f"a,{t},{t}\n" for t in range(30)) + "".join(f"b,{t},{t}\n" for t in range(8))
    splits = split_in_time(read(tmp_path, text).panel, 5, 5)
    assert splits.test is not None
    assert splits.train.last.tolist() == splits.valid.first.tolist() == [20, 3]
    assert splits.valid.last.tolist() == splits.test.first.tolist() == [25, 8]
    assert list(splits.valid.origins(3)) == [(0, 20), (0, 21), (0, 22), (1, 3), (1, 4), (1, 5)]
    assert list(splits.valid.origins(3, step=2, max_origins=1)) == [(0, 22), (1, 5)]
    for split in (splits.train, splits.valid, splits.test):
        assert split.num_origins(3) == len(list(split.origins(3)))


def test_validation_is_as_long_as_a_test_part_that_was_set(tmp_path: Path) -> None:
    one = read(tmp_path, "t,y\n" + "".join(f"{t},{t % 7}\n" for t in range(100))).panel
    many = read(tmp_path, "id,t,y\n" + "".join(f"{i},{t},{t % 7}\n" for i in range(12) for t in range(100))).panel

    def steps(panel: Panel, **settings: int) -> tuple[int, int]:
        return SeriesRecipe(SeriesSettings.model_validate(settings)).steps(panel, 6)

    assert (steps(one), steps(many)) == ((10, 20), (6, 6))
    assert steps(many, test_steps=15) == (15, 15)
    assert steps(many, test_steps=50) == (20, 50)
    assert steps(many, test_steps=15, valid_steps=8) == (8, 15)


def test_a_codec_reads_what_it_saved(tmp_path: Path) -> None:
    table = read(tmp_path, "date,y,w\n2020-01-01,1,a\n2020-01-02,2,b\n", past=("w",), target=("y",))
    codec = SeriesCodec.of(table, 7)
    codec.save(tmp_path)
    assert SeriesCodec.load(tmp_path) == codec
    assert codec.categories == {"w": ["a", "b"]}


def test_series_no_longer_than_the_horizon_are_refused_or_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "series.csv"
    recipe = SeriesRecipe(SeriesSettings(horizon=6))
    path.write_text(rows(["2020-01-01"]))
    with pytest.raises(SeqloomError) as caught:
        recipe.prepare(Sources(str(path)))
    assert (caught.value.what, caught.value.got) == ("the series are too short", "1 value")
    path.write_text("id,t,y\n" + "".join(f"a,{t},{t % 5}\n" for t in range(40)) + "b,0,1\nb,1,1\nb,2,1\n")
    recipe.prepare(Sources(str(path)))
    messages = capsys.readouterr().err
    assert "1 series is not longer than the horizon of" in messages
    assert "1 series is constant or exactly periodic (the first is b)" in messages


@pytest.mark.parametrize(("given", "names"), [("y", ("y",)), ("y, z", ("y", "z")), (["y, z"], ("y, z",)), ("", ())])
def test_columns_are_named_as_text_or_as_a_list(given: object, names: tuple[str, ...]) -> None:
    """`--set data.target=y` is text."""
    settings = ColumnSettings.model_validate({"target": given, "ahead": given})
    assert settings.target == settings.ahead == names


def test_bytes_that_only_begin_as_zstandard_are_refused(tmp_path: Path) -> None:
    (tmp_path / "series.csv").write_bytes(b"\x28\xb5\x2f\xfd\x20\x16\xb1\x00\x00\n1,2\n")
    with pytest.raises(SeqloomError, match="could not be read"):
        read_panel(str(tmp_path / "series.csv"), ColumnSettings())
