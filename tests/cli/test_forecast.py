"""`seqloom train forecast` and what is done with its runs."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import seqloom
from seqloom.files import make_folder
from tests.support.command_line import CommandLine

_ENDS = ("--set", "data.period=4", "--set", "data.horizon=4")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A seasonal series with noise and a trend, and a shorter one of the same kind."""
    rng, path = np.random.default_rng(0), tmp_path / "sales.csv"
    lines = ["shop,step,value"]
    for shop, steps in (("north", 80), ("south", 60)):
        for t in range(steps):
            value = 50 + 0.3 * t + 10 * math.sin(math.pi * t / 2) + rng.standard_normal()
            lines.append(f"{shop},{t},{value:.3f}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def folder(cli: CommandLine, table: Path, tmp_path: Path) -> Path:
    outcome = cli("train", "forecast", table, "--out", tmp_path / "run", *_ENDS)
    assert outcome.status == 0, outcome.errors
    assert "2 series of 60 to 80 values, numbered steps, 0 to 79; period 4, horizon 4" in outcome.errors
    return tmp_path / "run"


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_run_forecasts_its_own_series_and_others(cli: CommandLine, folder: Path, tmp_path: Path) -> None:
    table_rows = rows(cli("predict", folder).output)
    assert [(row["series"], row["time"]) for row in table_rows[:5]] == [
        ("north", "80"), ("north", "81"), ("north", "82"), ("north", "83"), ("south", "60"),
    ]  # fmt: skip
    expected = 50 + 0.3 * 81 + 10
    assert float(table_rows[1]["q0.025"]) < expected < float(table_rows[1]["q0.975"])
    other = tmp_path / "new.csv"
    other.write_text("shop,step,value\n" + "".join(f"east,{t},{t % 4}\n" for t in range(30)))
    json_rows = [
        json.loads(line) for line in cli("predict", folder, other, "--horizon", 2, "--json").output.splitlines()
    ]
    assert [(row["series"], row["time"]) for row in json_rows] == [("east", "30"), ("east", "31")]
    assert json_rows[0]["mean"] == pytest.approx(2, abs=0.1)


def test_from_another_folder_a_relative_path_of_the_training_data_is_explained(
    cli: CommandLine, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(table.parent)
    assert cli("train", "forecast", table.name, "--out", tmp_path / "run", "--model", "naive", *_ENDS).status == 0
    assert cli("predict", tmp_path / "run").status == 0
    monkeypatch.chdir(make_folder(tmp_path / "elsewhere"))
    outcome = cli("predict", tmp_path / "run")
    assert outcome.status == 2
    assert str(tmp_path / "elsewhere" / table.name) in outcome.errors
    assert "seqloom predict RUN FILE" in outcome.errors
    assert cli("predict", tmp_path / "run", table).status == 0


def test_tables_are_written_as_the_ending_says(cli: CommandLine, folder: Path, tmp_path: Path) -> None:
    for ending in ("csv", "json", "parquet"):
        outcome = cli("predict", folder, "--paths", 3, "--out", tmp_path / f"ahead.{ending}")
        assert outcome.status == 0, outcome.errors
    frame = pl.read_parquet(tmp_path / "ahead.parquet")
    assert frame.columns[-1] == "path3"
    assert len(frame) == len(json.loads((tmp_path / "ahead.json").read_text())) == 8
    refused = cli("predict", folder, "--out", tmp_path / "ahead.xlsx")
    assert refused.status == 2
    assert ".parquet" in refused.errors


@pytest.mark.parametrize(
    "arguments",
    [["--seed", "2"], ["--anomalies", "--horizon", "2"], ["--anomalies", "--paths", "2"], ["--rate", "8000"]],
)
def test_options_that_would_change_nothing_are_refused(arguments: list[str], cli: CommandLine, folder: Path) -> None:
    status, output, errors = cli("predict", folder, *arguments)
    assert (status, output) == (2, "")
    assert any(argument in errors for argument in arguments)


def test_rolling_origins_with_and_without_a_new_fit(cli: CommandLine, folder: Path, table: Path) -> None:
    scores = json.loads(cli("evaluate", folder, table, "--origins", 5, "--step", 2, "--json").output)
    assert scores["forecasts"] == 10
    assert scores["mase"] < 0.9
    without_refit = json.loads(
        cli("evaluate", folder, table, "--origins", 5, "--step", 2, "--no-refit", "--json").output
    )
    assert without_refit["mase"] == pytest.approx(scores["mase"], rel=0.3)
    assert without_refit["mase"] != scores["mase"]
    by_step = rows(cli("evaluate", folder, table, "--by", "horizon").output)
    assert [row["step"] for row in by_step] == ["1", "2", "3", "4"]
    assert {row["series"] for row in rows(cli("evaluate", folder, table, "--by", "series").output)} == {
        "north",
        "south",
    }


def test_an_outlier_is_improbable_and_the_rest_is_not(cli: CommandLine, folder: Path, table: Path) -> None:
    lines = table.read_text().splitlines()
    lines[50] = "north,49,200"
    table.write_text("\n".join(lines) + "\n")
    table_rows = rows(cli("predict", folder, table, "--anomalies").output)
    odd = next(row for row in table_rows if row["time"] == "49" and row["series"] == "north")
    assert float(odd["probability"]) < 1e-6
    assert np.median([float(row["probability"]) for row in table_rows]) > 0.1


def test_one_value_at_a_time_is_answered_at_once(cli: CommandLine, folder: Path) -> None:
    values = "".join(f"{t % 4}\n" for t in range(40))
    answers = cli("predict", folder, "--online", standard_input=values).output.splitlines()
    assert len(answers) == 40
    point, low, high = map(float, answers[-1].split("\t"))
    assert point == pytest.approx(0, abs=0.05)
    assert low <= point <= high
    refused = cli("predict", folder, "--online", standard_input="1\nx\n")
    assert (refused.status, "value 2" in refused.errors) == (2, True)


@pytest.mark.parametrize("model", ["naive", "seasonal-naive", "drift", "ar"])
def test_frames_are_data_and_every_model_covers(table: Path, tmp_path: Path, model: str) -> None:
    frame = pl.read_csv(table)
    run = seqloom.train(
        "forecast", frame, model=model, out=tmp_path / model, quiet=True,
        settings={"data.period": 4, "data.horizon": 4},
    )  # fmt: skip
    assert run.summary["test"]["coverage_95"] > 0.6
    opened = seqloom.load(tmp_path / model)
    assert opened.evaluate(frame) == pytest.approx(run.summary["test"])
    assert len(list(opened.forecast(frame))) == 8


def test_an_autoregression_halves_the_error_of_the_last_value(table: Path, tmp_path: Path) -> None:
    settings = {"data.period": 4, "data.horizon": 4}
    errors = {
        model: seqloom.train("forecast", table, model=model, out=tmp_path / model, quiet=True, settings=settings)
        .summary["test"]["mase"]
        for model in ("ar", "naive")
    }  # fmt: skip
    assert errors["ar"] < 0.5 * errors["naive"]


@pytest.mark.parametrize("model", ["ets", "theta"])
def test_the_library_models_are_baselines(table: Path, tmp_path: Path, model: str) -> None:
    pytest.importorskip("statsforecast")
    settings = {"data.period": 4, "data.horizon": 4}
    run = seqloom.train("forecast", table, model=model, out=tmp_path / "run", quiet=True, settings=settings)
    assert run.summary["test"]["mase"] < 1


def test_a_frame_of_pandas_with_dates_as_its_index_is_data(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    days = pandas.date_range("2024-01-01", periods=60, freq="D")
    frame = pandas.DataFrame({"load": np.tile(np.arange(7.0), 9)[:60] + 5}, index=days)
    run = seqloom.train("forecast", frame, model="seasonal-naive", out=tmp_path / "run", quiet=True)
    assert run.summary["period"] == 7
    assert [(row.time, row.mean) for row in run.forecast()][:2] == [("2024-03-01", 9.0), ("2024-03-02", 10.0)]


def test_sample_paths_differ_from_one_block_of_series_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqloom.tasks.backtest._AT_ONCE", 2)
    path = tmp_path / "series.csv"
    path.write_text("series,step,value\n" + "".join(f"s{n},{t},{t % 3}\n" for n in range(3) for t in range(30)))
    run = seqloom.train("forecast", path, model="naive", out=tmp_path / "run", quiet=True, settings={"data.horizon": 1})
    first, _, third = run.forecast(paths=3)
    assert not np.array_equal(first.paths, third.paths)


def test_the_page_shows_the_series_with_the_largest_error_first(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "series.csv"
    values = {"noise": rng.standard_normal(120), "parabola": np.arange(24.0) ** 2}
    lines = [f"{name},{t},{value}\n" for name, series in values.items() for t, value in enumerate(series)]
    path.write_text("series,step,value\n" + "".join(lines))
    settings = {"data.period": 1, "data.horizon": 4, "data.test_steps": 4}
    run = seqloom.train("forecast", path, model="naive", out=tmp_path / "run", quiet=True, settings=settings)
    series = run.study(path, origins=200).series
    assert [entry.name for entry in series] == ["parabola", "noise"]
    assert series[0].mase > series[1].mase
    assert series[0].origins < series[1].origins
