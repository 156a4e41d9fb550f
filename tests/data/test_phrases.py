"""Phrases: found by how often words stand together, joined from left to right, the same in every file of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import seqloom
from seqloom.data.phrases import PhraseCodec, PhraseSettings, join, phrase_recipe
from seqloom.data.readers import readers
from seqloom.data.tokenizer import TokenizerSettings


def lines() -> list[str]:
    """`new york` is one, and in half the lines `new york city`."""
    rng = np.random.default_rng(1)
    words = [f"w{number}" for number in range(40)]
    found = []
    for number in range(300):
        chosen = [str(word) for word in rng.choice(words, 8)]
        chosen.insert(int(rng.integers(8)), "new york city" if number % 2 else "new york")
        found.append(" ".join(chosen))
    return found


def codec(passes: int) -> PhraseCodec:
    settings = PhraseSettings(passes=passes, threshold=8.0)
    found = phrase_recipe(readers["lines"], TokenizerSettings(), settings).learn(lines, "here")
    assert isinstance(found, PhraseCodec)
    return found


def test_what_stands_together_is_joined() -> None:
    one, two = codec(1), codec(2)
    assert one.phrases == (frozenset({("new", "york")}),) or ("york", "city") in one.phrases[0]
    assert any("new_york" in line for line in one.joined(lines()))
    assert len(two.phrases) == 2
    assert any("new_york_city" in two.joined([line])[0] for line in lines())
    assert "new_york" in two.tokenizer.tokens()


def test_no_word_is_in_two_pairs() -> None:
    assert join("a b c d", frozenset({("a", "b"), ("b", "c"), ("c", "d")})) == "a_b c_d"
    assert join("", frozenset()) == ""


def test_saved_and_written(tmp_path: Path) -> None:
    made = codec(2)
    made.save(tmp_path)
    again = PhraseCodec.load(tmp_path)
    assert again.phrases == made.phrases
    assert again.fingerprint() == made.fingerprint()
    writer = made.writer(tmp_path / "tokens")
    writer.add(["new york w1"])
    writer.finish()
    ids = made.open(tmp_path / "tokens").ids
    assert [made.tokenizer.token(int(i)) for i in ids] == ["new_york", "w1", "<eos>"]
    (tmp_path / "phrases.json").write_text("[[1]]")
    with pytest.raises(seqloom.RequestError, match="could not be read"):
        PhraseCodec.load(tmp_path)


def test_a_run_of_phrases(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("\n".join(lines()) + "\n")
    run = seqloom.train(
        "vectors", str(tmp_path / "text.txt"), model="cbow", epochs=1, out=tmp_path / "run", quiet=True, threads=1,
        settings={"phrases.passes": 1, "phrases.threshold": 8.0, "dim": 8},
    )  # fmt: skip
    assert "new_york" in seqloom.Vectors.open(run.folder)
    assert run.summary["phrases"] > 0
    assert seqloom.load(run.folder).embed(["new york"]).any()
    with pytest.raises(seqloom.RequestError, match="separated by whitespace"):
        seqloom.train("vectors", str(tmp_path / "text.txt"), model="cbow", epochs=1, out=tmp_path / "other", quiet=True,
                      settings={"phrases.passes": 1, "tokenizer.kind": "bpe"})  # fmt: skip
