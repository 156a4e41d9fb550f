"""What Python users meet: names that survive use, objects that show what they are, data and inputs of every kind."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqloom
from seqloom.data.frames import FrameCodec
from seqloom.errors import RequestError
from tests.support.labelled import shared_labelled_run
from tests.support.pairs import shared_pairs_run
from tests.support.small_runs import shared_run
from tests.support.texts import write_text


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_run(tmp_path_factory, data__mode="lines")


@pytest.fixture(scope="module")
def pairs_run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_pairs_run(tmp_path_factory, model="gru", updates=2)


def test_public_names_are_the_same_after_every_module_is_imported() -> None:
    """A subpackage of the name of a function would take its place."""
    before = {name: getattr(seqloom, name) for name in seqloom.__all__}
    for module in pkgutil.walk_packages(seqloom.__path__, "seqloom."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    assert {name: getattr(seqloom, name) for name in seqloom.__all__} == before
    assert set(seqloom.__all__) <= set(dir(seqloom))
    assert all(inspect.getdoc(value) for name, value in before.items() if name != "__version__")


def test_a_run_shows_what_it_is(run: seqloom.Run) -> None:
    score = run.summary["test"]["perplexity"]
    shown = f"task=language-model, model=lstm, parameters={run.num_parameters():,}, test_perplexity={score:.4g}"
    assert repr(run) == f"Run({shown}, folder={run.folder})"
    page = run._repr_html_()
    assert page.startswith("<table>")
    assert "language-model" in page
    assert "Run(" not in page


def test_a_run_without_a_summary_shows_what_it_is(run: seqloom.Run, tmp_path: Path) -> None:
    run.save(tmp_path / "copy")
    (tmp_path / "copy" / "summary.json").unlink()
    loaded = seqloom.load(tmp_path / "copy")
    assert repr(loaded).endswith(f"parameters={run.num_parameters():,}, folder={tmp_path / 'copy'})")
    assert "language-model" in loaded._repr_html_()


def test_vectors_show_what_they_are(run: seqloom.Run) -> None:
    vectors = seqloom.Vectors.open(run.folder)
    assert repr(vectors).startswith(f"Vectors(words={len(vectors)}, dim={vectors.dim}")
    assert f"<td>{len(vectors)}" in vectors._repr_html_().replace(" style='text-align:left'", "")


def test_lines_and_files_are_evaluated_alike(run: seqloom.Run, tmp_path: Path) -> None:
    lines = Path(write_text(tmp_path / "more.txt", lines=20)).read_text().splitlines()
    of_file = run.evaluate(str(tmp_path / "more.txt"))
    assert run.evaluate(lines) == run.evaluate(iter(lines)) == run.evaluate(tmp_path / "more.txt") == of_file
    assert run.evaluate(run.read(lines)) == of_file


def test_pairs_are_evaluated_and_train(pairs_run: seqloom.Run, tmp_path: Path) -> None:
    pairs = [("a b", "f a"), ("c", "d e"), ("b a", "a f")] * 10
    file = tmp_path / "pairs.tsv"
    file.write_text("".join(f"{source}\t{target}\n" for source, target in pairs))
    assert pairs_run.evaluate(pairs) == pairs_run.evaluate(str(file))
    assert pairs_run.evaluate_by_length(pairs) == pairs_run.evaluate_by_length(str(file))
    small = {"embedding.dim": 4, "encoder.hidden_size": 4, "decoder.hidden_size": 4}
    seqloom.train(
        *("translate", pairs), model="rnn", valid=pairs[:3], updates=1, out=tmp_path / "run", quiet=True, settings=small
    )  # fmt: skip


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (("a\tb", "c"), "tab"),
        (("a", "b\nc"), "line break"),
        ((), "columns"),
        (("a", 3), "columns"),
        ("\ud800", "Unicode"),
    ],
)
def test_data_that_is_no_line_is_refused(item: Any, says: str, run: seqloom.Run) -> None:
    with pytest.raises(RequestError) as caught:
        run.evaluate(["fine", item])
    assert caught.value.where == "item 2"
    assert says in str(caught.value)


CALLS: dict[str, Callable[[seqloom.Run, Any], object]] = {
    "score": lambda run, inputs: run.score(inputs),
    "embed": lambda run, inputs: run.embed(inputs),
    "predict": lambda run, inputs: run.predict(inputs),
    "answers": lambda run, inputs: list(run.answers(inputs)),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ("the cat", "a list of inputs is expected"),
        (b"the cat", "a list of inputs is expected"),
        (None, "a list of inputs is expected"),
        (3, "a list of inputs is expected"),
        (["fine", "\ud800"], "input 2"),
        (["fine", None], "input 2"),
        ([3], "input 1"),
        ([b"the"], "input 1"),
        ([1.5, "fine"], "input 1"),
        (["fine", ["a", "b"]], "input 2"),
        ([("a", "b")], "input 1"),
    ],
)
def test_inputs_that_are_no_list_of_texts_are_refused(
    call: str, inputs: Any, says: str, run: seqloom.Run, pairs_run: seqloom.Run
) -> None:
    asked = pairs_run if call in ("predict", "answers") else run
    with pytest.raises(RequestError, match=says):
        CALLS[call](asked, inputs)


def test_pairs_to_score_are_checked(pairs_run: seqloom.Run) -> None:
    assert len(pairs_run.score([("a b", "f"), ["c", "d"]])) == 2
    for wrong in ("a b", ("a", "b", "c"), ("a",), ("a", "\ud800"), [1, 2], np.zeros(2)):
        with pytest.raises(RequestError, match=r"pair|Unicode|sequence"):
            pairs_run.score([("a b", "f"), wrong])


def test_a_generator_of_inputs_is_a_list(run: seqloom.Run) -> None:
    assert run.score(line for line in ["w1", "w2"]) == run.score(["w1", "w2"])


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens": -3},
        {"temperature": -1.0},
        {"temperature": 1e308},
        {"temperature": float("nan")},
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"seed": -1},
        {"seed": 2**70},
    ],
)
def test_options_of_generate_are_checked_at_once(options: dict[str, Any], run: seqloom.Run) -> None:
    with pytest.raises(RequestError, match="out of range") as caught:
        run.generate("w1", **options)
    assert caught.value.where == next(iter(options))


@pytest.mark.parametrize(
    "options",
    [{"max_tokens": "3"}, {"temperature": "hot"}, {"top_k": 2.5}, {"top_p": None}, {"seed": 1.5}],
)
def test_options_of_another_type_are_refused(options: dict[str, Any], run: seqloom.Run, pairs_run: seqloom.Run) -> None:
    with pytest.raises(RequestError, match="not a number") as caught:
        run.generate("w1", **options)
    assert caught.value.where == next(iter(options))
    if options.keys() != {"max_tokens"} and None not in options.values():  # None: as if not given
        with pytest.raises(RequestError, match="not a number"):
            pairs_run.answers(["a"], sample=True, **options)
    with pytest.raises(RequestError, match="not a number"):
        pairs_run.answers(["a"], beam_size="5")


def test_data_that_is_nothing_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="data is a path"):
        seqloom.train("language-model", 5, out=tmp_path / "run", quiet=True)  # type: ignore[arg-type]


def test_generate_takes_a_temperature(run: seqloom.Run) -> None:
    text = "".join(run.generate("w1", temperature=0.8, max_tokens=5))
    assert text == "".join(run.generate("w1", max_tokens=5))
    assert "".join(run.generate("w1", max_tokens=0)) == ""
    assert "".join(run.generate("w1", temperature=1_000, max_tokens=5))
    with pytest.raises(RequestError, match="Unicode"):
        run.generate("\ud800")


@pytest.mark.parametrize(
    "options",
    [
        {"beam_size": 0},
        {"beam_size": 100_000},
        {"n_best": 0},
        {"n_best": 9, "beam_size": 3},
        {"length_penalty": -1.0},
        {"length_penalty": 1e308},
        {"length_penalty": float("nan")},
        {"max_length": -1},
        {"max_length": 10**30},
        {"seed": 2**70},
        {"sample": True, "temperature": 1e308},
        {"sample": True, "n_best": 10**9},
    ],
)
def test_options_of_a_search_are_checked_at_once(options: dict[str, Any], pairs_run: seqloom.Run) -> None:
    with pytest.raises(RequestError, match="out of range"):
        pairs_run.answers(["a b"], **options)


def test_arrays_of_another_size_are_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    texts = shared_labelled_run(tmp_path_factory, updates=2)
    for wrong in (np.zeros((3, 2), np.float32), [0.5, 1.0]):
        with pytest.raises(RequestError, match="reads text"):
            texts.predict([wrong])


def test_scores_of_tokens_add_up(run: seqloom.Run, pairs_run: seqloom.Run) -> None:
    lines = ["w1 w2 nowhere", "", "w4"]
    for asked, examples in ((run, lines), (pairs_run, [("a b", "f a"), ("c", "d")])):
        by_token = asked.score_tokens(examples)
        for scores, line in zip(by_token, asked.score(examples), strict=True):
            assert len(scores) == line.tokens
            assert sum(score.log_prob for score in scores) == pytest.approx(line.log_prob, rel=1e-5)
            assert scores[-1].token == "<eos>"
    assert [score.token for score in run.score_tokens(lines)[0]] == ["w1", "w2", "<unk>", "<eos>"]


def test_a_text_does_not_repeat_itself(run: seqloom.Run) -> None:
    words = "".join(run.generate("w1", temperature=0, no_repeat_ngrams=2, max_tokens=40)).split()
    pairs = list(zip(["w1", *words], words, strict=False))
    assert len(set(pairs)) == len(pairs)
    assert list(run.generate("w1", repetition_penalty=1.0, seed=3)) == list(run.generate("w1", seed=3))
    for wrong in ({"no_repeat_ngrams": -1}, {"repetition_penalty": 0.0}):
        with pytest.raises(RequestError, match="out of range"):
            run.generate("w1", **wrong)  # type: ignore[arg-type]


def test_a_run_has_a_card(run: seqloom.Run) -> None:
    card, summary = (run.folder / "README.md").read_text(), run.summary
    assert card.startswith("# language-model: lstm")
    assert f"| perplexity | {summary['valid']['perplexity']:,.4f} | {summary['test']['perplexity']:,.4f} |" in card
    assert f"seqloom train language-model {run.plan.sources.data} --model lstm --seed 1 --updates 6" in card
    assert f"{run.num_parameters():,} parameters" in card


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_are_refused(wrong: float) -> None:
    """A network would answer with whatever comes."""
    codec = FrameCodec((0.0, 0.0), (1.0, 1.0), 0)
    with pytest.raises(seqloom.SeqloomError, match="do not fit"):
        codec.scale(np.array([[1.0, 2.0], [wrong, 3.0]]))
    for source in (np.array(["a", "b"]), [[1, 2], [3]], [None]):
        with pytest.raises(RequestError, match="does not hold numbers"):
            codec.numbers(source)
