"""Tags of steps of numbers over HTTP and on the page: those of the run, also from an exported folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from seqloom.run import Run
from seqloom.serving.hosted_run import HostedRun
from tests.support.chromium import CHROMIUM
from tests.support.served import serving
from tests.support.small_tasks import SMALL_TASKS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("steps")
    task = SMALL_TASKS["tag steps"]
    return task.train("tag steps", task.data(folder), folder / "run")


@pytest.fixture(scope="module")
def address(run: Run) -> Iterator[str]:
    pytest.importorskip("onnx")
    from seqloom.export import exporters
    from seqloom.export.options import ExportOptions
    from seqloom.serving.hosted_folder import HostedFolder

    exporters["onnx"](run, Path(run.folder).parent / "out", ExportOptions())
    models = [HostedRun("run", run), HostedFolder("folder", Path(run.folder).parent / "out", threads=1)]
    for model in models:
        model.warm_up()
    with serving(models) as there:
        yield there


def sequences(run: Run) -> list[Any]:
    return list(run.inputs(run.plan.sources.data))[:3]


@pytest.mark.parametrize("model", ["run", "folder"])
def test_they_are_those_of_predict(address: str, run: Run, model: str) -> None:
    asked = {"model": model, "input": [numbers.tolist() for numbers in sequences(run)]}
    results = httpx.post(f"{address}/v1/tag", json=asked).raise_for_status().json()["results"]
    expected = [answer for (answer,) in run.answers(sequences(run))]
    assert [[step["tag"] for step in result["steps"]] for result in results] == [list(tags.tags) for tags in expected]
    for result, tags in zip(results, expected, strict=True):
        assert [step["probability"] for step in result["steps"]] == pytest.approx(tags.probabilities, abs=1e-5)


@pytest.mark.parametrize("model", ["run", "folder"])
@pytest.mark.parametrize(
    ("given", "what"),
    [("the cat sat", "steps of 2 numbers"), ([[[1.0, 2.0], [1.0]]], "unlike numbers"), ([[[1.0, 2.0, 3.0]]], "fit")],
)
def test_what_does_not_fit_is_refused(address: str, model: str, given: Any, what: str) -> None:
    response = httpx.post(f"{address}/v1/tag", json={"model": model, "input": given})
    assert response.status_code == 422
    assert what in response.json()["error"]["message"]


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
def test_the_page_shows_steps_with_one_tag_together(address: str, run: Run) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    (numbers, *_), ((tags,), *_) = sequences(run), run.answers(sequences(run))
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{address}/#tag")
        page.fill("textarea", "\n".join(", ".join(map(str, step)) for step in numbers.tolist()))
        page.wait_for_selector(".tagged")
        shown = page.locator(".tagged small").all_inner_texts()
        changes = [tag for tag, before in zip(tags.tags, ["", *tags.tags], strict=False) if tag != before]
        assert shown == changes
        assert "2 numbers in a step" in page.inner_text(".row")
        browser.close()
