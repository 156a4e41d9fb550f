"""The joint n-gram model: its alignments and searches are those of an enumeration, and it learns what units can say."""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqloom
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, SPECIALS, UNK
from seqloom.errors import RequestError, SeqloomError, SeqloomWarning
from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom.models.joint_ngram.alignment import _expect, align
from seqloom.models.joint_ngram.model import JointNgram
from seqloom.models.ngram.model import NgramModel
from seqloom_portable.loading import load as load_portable
from tests.support.pairs import train_pairs

SOUNDS = {"a": ["A"], "b": ["B"], "x": ["K", "S"], "h": [], "c": ["K"]}
"""What each letter becomes; in front of h, c becomes CH."""


def spoken(word: str) -> str:
    sounds = (["CH"] if word[i : i + 2] == "ch" else SOUNDS[letter] for i, letter in enumerate(word))
    return " ".join(itertools.chain.from_iterable(sounds))


def write_words(path: Path, count: int, seed: int) -> list[tuple[str, str]]:
    rng = random.Random(seed)
    words = ["a" + "".join(rng.choice("abcxh") for _ in range(rng.randint(2, 6))) for _ in range(count)]
    pairs = [(" ".join(word), spoken(word)) for word in words]
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs))
    return pairs


def train(data: Path, out: Path) -> seqloom.Run:
    return seqloom.train(
        "translate", str(data), valid=str(data), model="joint-ngram", out=out, quiet=True, threads=1,
        settings={"model.order": 3, "tokenizer.min_count": 1},
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    folder = tmp_path_factory.mktemp("joint")
    write_words(folder / "words.tsv", 600, 1)
    return train(folder / "words.tsv", folder / "run")


def as_file(rows: list[list[int]]) -> TokenFile:
    ids = np.array([token for row in rows for token in [*row, EOS]], np.uint32)
    offsets = np.concatenate([[0], np.cumsum([len(row) + 1 for row in rows])]).astype(np.int64)
    return TokenFile(ids, offsets, 0, 0)


def segmentations(source: list[int], target: list[int], most: int) -> list[list[tuple[int, tuple[int, ...]]]]:
    """All ways to give each source token 0 to `most` target tokens."""
    if not source:
        return [] if target else [[]]
    return [
        [(source[0], tuple(target[:count])), *rest]
        for count in range(min(most, len(target)) + 1)
        for rest in segmentations(source[1:], target[count:], most)
    ]


def test_expected_counts_are_those_of_all_alignments() -> None:
    rng, most, base = np.random.default_rng(3), 2, 7
    source, target = [4, 5, 4], [6, 4, 5, 6]
    probs = rng.uniform(0.1, 1, 6 * base**most)

    def key(unit: tuple[int, tuple[int, ...]]) -> int:
        return int(unit[0] * base**most + sum(token * base**i for i, token in enumerate(unit[1])))

    expected, total = np.zeros_like(probs), 0.0
    for alignment in segmentations(source, target, most):
        weight = math.prod(probs[key(unit)] for unit in alignment)
        total += weight
        for unit in alignment:
            expected[key(unit)] += weight
    counts = np.zeros_like(probs)
    sides = (as_file([source]), as_file([target]))
    rows = [array for side in sides for array in (side.ids.astype(np.int64), side.offsets)]
    assert _expect(*rows, most, base, probs, counts) == pytest.approx(math.log(total))
    np.testing.assert_allclose(counts, expected / total, rtol=1e-9)


def test_pairs_are_aligned_as_they_were_made() -> None:
    """Of equally good alignments, the one that writes first: a doubled letter with one sound gives it first."""
    sources, targets = [[4, 4], [4, 5], [5, 4, 4]], [[6], [6, 7, 8], [7, 8, 6]]
    found = align(as_file(sources), as_file(targets), (6, 9), 2)
    units = [(int(found.sources[u]), [t for t in found.tokens[u].tolist() if t]) for u in found.units]
    assert units == [(4, [6]), (4, []), (4, [6]), (5, [7, 8]), (5, [7, 8]), (4, [6]), (4, [])]
    assert len(align(as_file([[4], [4]]), as_file([[UNK], [6]]), (6, 9), 2).units) == 1


def test_searches_are_those_of_an_enumeration(run: seqloom.Run) -> None:
    model: JointNgram = run.model
    source = run.codec.source.encode(["a x c h"])[0]
    choices = [range(model.starts[token], model.starts[token + 1]) for token in source]
    sequences = list(itertools.product(*choices))
    ids = np.array([unit for units in sequences for unit in [*units, EOS]], np.uint32)
    offsets = np.arange(len(sequences) + 1) * (len(source) + 1)
    log_probs = NgramModel.of(model.store).line_scores(ids, offsets)[0]
    everything = np.logaddexp.reduce(log_probs)
    best: dict[tuple[int, ...], float] = {}
    for units, log_prob in zip(sequences, log_probs.tolist(), strict=True):
        target = tuple(token for unit in units for token in model.tokens_of(unit))
        best[target] = max(best.get(target, -math.inf), log_prob - everything)
    found = model.search(source, 10_000)
    assert {tuple(path.target) for path in found} == best.keys()
    for path in found:
        assert path.log_prob == pytest.approx(best[tuple(path.target)], abs=1e-4)
        given = model.align(source, path.target, 10_000)
        assert given is not None
        assert given.log_prob == pytest.approx(path.log_prob, abs=1e-4)
    assert found[0].log_prob == pytest.approx(max(best.values()), abs=1e-4)


def test_new_words_are_spoken_by_the_rules(run: seqloom.Run, tmp_path: Path) -> None:
    pairs = write_words(tmp_path / "other.tsv", 100, 2)
    assert run.predict([source for source, _ in pairs]) == [target for _, target in pairs]
    assert run.evaluate(str(tmp_path / "other.tsv"))["exact_match"] == 1


def test_lines_keep_their_order_and_unknown_letters_give_nothing(run: seqloom.Run) -> None:
    assert run.predict(["a b", "", "a ? b", "b"]) == ["A B", "", "A B", "B"]
    assert run.predict([]) == []


def test_answers_have_the_score_and_the_alignment_of_their_pair(run: seqloom.Run) -> None:
    ((best, *others),) = run.answers(["a x c h"], n_best=3, attention=True)
    assert others
    assert all(other.score <= best.score for other in others)
    assert run.score([("a x c h", best.text)])[0].log_prob == pytest.approx(best.score, abs=1e-4)
    alignment: Any = best.to_json()["alignment"]
    assert alignment["target"] == ["A", "K", "S", "CH", "<eos>"]
    assert np.argmax(alignment["weights"], 1).tolist() == [0, 1, 1, 2, 4]
    (same,) = run.align([("a x c h", "A K S CH")])
    assert np.asarray(same.weights).tolist() == np.asarray(alignment["weights"]).tolist()
    with pytest.raises(RequestError, match="cannot align"):
        list(run.align([("a", "B B")]))
    assert run.score([("a", "B B B")])[0].log_prob < -200


def test_the_exported_model_answers_as_the_run(run: seqloom.Run, tmp_path: Path) -> None:
    exporters["onnx"](run, tmp_path / "export", ExportOptions())
    portable = load_portable(tmp_path / "export")
    words = [source for source, _ in write_words(tmp_path / "other.tsv", 20, 3)] + ["", "? a"]
    for ours, theirs in zip(portable.answers(words, n_best=4), run.answers(words, n_best=4), strict=True):
        assert [answer.text for answer in ours] == [answer.text for answer in theirs]
        assert [answer.score for answer in ours] == pytest.approx([answer.score for answer in theirs], abs=1e-4)
    pairs = [("a x h", "A K S"), ("a x", "A"), ("a", "B B B"), ("c h", "CH")]
    expected = [score.log_prob for score in run.score(pairs)]
    assert [score.log_prob for score in portable.score(pairs)] == pytest.approx(expected, abs=1e-4)


def test_an_ensemble_takes_the_best_mean(tmp_path: Path) -> None:
    joint = train_pairs(tmp_path / "joint", model="joint-ngram")
    network = train_pairs(tmp_path / "network", updates=30)
    lines = ["a b c", "", "f e"]
    for runs in ((joint, network), (network, joint)):
        for line, answers in zip(lines, runs[0].ensemble(runs[1:]).answers(lines, n_best=3), strict=True):
            for answer in answers if line else []:
                scores = [run.score([(line, answer.text)])[0].log_prob for run in runs]
                assert answer.score == pytest.approx(np.mean(scores), abs=1e-4)
            assert [answer.score for answer in answers] == sorted((a.score for a in answers), reverse=True)
    both = [joint.ensemble([network]).predict(lines), network.ensemble([joint]).predict(lines)]
    assert both[0] == both[1]


@pytest.mark.parametrize("option", [{"beam_size": 0}, {"n_best": 5, "beam_size": 2}])
def test_impossible_searches_are_refused(run: seqloom.Run, option: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="out of range"):
        run.answers(["a"], **option)


@pytest.mark.parametrize("option", [{"prefix": "A"}, {"require": ["A"]}, {"sample": True}, {"length_penalty": 0.5}])
def test_options_of_networks_are_refused(run: seqloom.Run, option: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="does not have this option"):
        run.predict(["a"], **option)


def test_pairs_that_cannot_be_aligned(tmp_path: Path) -> None:
    data = tmp_path / "pairs.tsv"
    data.write_text("".join(f"a b\tA B{' C' * (4 * (i == 5))}\n" for i in range(60)) + "x\tX\n" * 60)
    with pytest.warns(SeqloomWarning, match="are left out"):
        train(data, tmp_path / "run")
    data.write_text("a\tA B C D E\n" * 60)
    with pytest.raises(RequestError, match="no pair can be aligned"):
        train(data, tmp_path / "no")


def test_large_vocabularies_are_refused() -> None:
    with pytest.raises(RequestError, match="for letters and phonemes"):
        align(as_file([[4]]), as_file([[4]]), (8_000, 8_000), 2)


@pytest.mark.parametrize("name", ["starts", "unit_tokens"])
def test_a_damaged_model_is_named(run: seqloom.Run, name: str, tmp_path: Path) -> None:
    model = JointNgram(JointNgram.settings())
    model.open(run.folder)
    array = getattr(model, name).copy()
    array[len(SPECIALS)] = 10**6
    setattr(model, name, array)
    model.save(tmp_path)
    with pytest.raises(SeqloomError, match="the model is damaged"):
        JointNgram(JointNgram.settings()).open(tmp_path)
    setattr(model, name, array[None])
    model.save(tmp_path)
    with pytest.raises(SeqloomError, match="no joint n-gram model"):
        JointNgram(JointNgram.settings()).open(tmp_path)
