"""Random segmentations: every text stays what it is, chances are those of the papers, and all follows from the step."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

import seqloom
from seqloom.data.length_limit import LengthLimit
from seqloom.data.sampling_settings import SamplingSettings, subword_samplers
from seqloom.data.subword_sampling import SubwordSampler
from seqloom.data.text_codec import train_tokenizer
from seqloom.data.tokenizer import EOS, UNK, Tokenizer, TokenizerSettings
from seqloom.errors import RequestError
from seqloom.run.plan import make_settings
from tests.support.pairs import train_pairs
from tests.support.small_runs import assert_same_run, signal_after, train_small

LINES = ["the lowest lower low newer newest wider", "a slower low-lying river’s bed, slowly", "\u00e4 \u4e2d  x"] * 30
SAMPLING = {"bpe": SamplingSettings(bpe_dropout=0.3), "unigram": SamplingSettings(unigram_sampling=0.5)}


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return train_tokenizer(LINES, TokenizerSettings(kind=request.param, vocab_size=330))


def sampler(tokenizer: Tokenizer, sampling: SamplingSettings | None = None, seed: int = 1) -> SubwordSampler:
    (found,) = subword_samplers((tokenizer,), sampling or SAMPLING[tokenizer.kind], seed)
    assert isinstance(found, SubwordSampler)
    return found


@settings(max_examples=40)
@given(texts=st.lists(st.text(st.sampled_from("lowerst \u00e4\u4e2d,1"), max_size=20), min_size=1, max_size=4))
def test_every_text_stays_what_it_is(tokenizer: Tokenizer, texts: list[str]) -> None:
    rows = [[*ids, UNK, EOS] for ids in tokenizer.encode(texts)]
    again = sampler(tokenizer)(rows, 0, 3)
    assert [tokenizer.decode(row.tolist()) for row in again] == [tokenizer.decode(row) for row in rows]
    assert all(row[-2:].tolist() == [UNK, EOS] for row in again)


def test_batches_follow_from_seed_epoch_and_step(tokenizer: Tokenizer) -> None:
    rows = tokenizer.encode(LINES[:6])

    def drawn(seed: int, epoch: int, step: int) -> list[list[int]]:
        return [row.tolist() for row in sampler(tokenizer, seed=seed)(rows, epoch, step)]

    assert drawn(1, 0, 0) == drawn(1, 0, 0)
    assert len({json.dumps(drawn(*key)) for key in ((1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1))}) == 4


def draws(tokenizer: Tokenizer, word: str, sampling: SamplingSettings, count: int = 8_000) -> Iterator[str]:
    rows = tokenizer.encode([word]) * count
    return (" ".join(map(tokenizer.token, row.tolist())) for row in sampler(tokenizer, sampling)(rows, 0, 0))


def test_dropout_is_that_of_the_library() -> None:
    """The tokenizers library drops merges by the same algorithm, but from random numbers that have no seed."""
    tokenizer = train_tokenizer(LINES, TokenizerSettings(kind="bpe", vocab_size=330))
    theirs = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    theirs.model.dropout = 0.3
    ours = Counter(draws(tokenizer, "slowest", SamplingSettings(bpe_dropout=0.3)))
    expected = Counter(" ".join(theirs.encode("slowest").tokens) for _ in range(8_000))
    assert len(ours) > 5
    assert sum(abs(ours[key] - expected[key]) for key in ours | expected) / 16_000 < 0.05


def test_without_dropout_it_is_the_plain_encoding() -> None:
    tokenizer = train_tokenizer(LINES, TokenizerSettings(kind="bpe", vocab_size=330))
    (row,) = tokenizer.encode(["the slowest newer river wider"])
    (again,) = sampler(tokenizer, SamplingSettings(bpe_dropout=1e-12))([row], 0, 0)
    assert again.tolist() == row


@pytest.mark.parametrize("power", [0.2, 1.0])
def test_pieces_are_drawn_with_their_probabilities(power: float) -> None:
    """Equal to the shares of all segmentations, enumerated (Kudo 2018, section 3.2)."""
    tokenizer = train_tokenizer(LINES, TokenizerSettings(kind="unigram", vocab_size=330))
    scores = dict(map(tuple, json.loads(tokenizer.to_json())["model"]["vocab"]))
    word = "lower"

    def segmentations(rest: str) -> Iterator[list[str]]:
        if not rest:
            yield []
        for end in range(1, len(rest) + 1):
            if rest[:end] in scores:
                yield from ([rest[:end], *others] for others in segmentations(rest[end:]))

    weights = {" ".join(parts): math.exp(power * sum(map(scores.__getitem__, parts))) for parts in segmentations(word)}
    assert len(weights) > 4
    counts = Counter(draws(tokenizer, word, SamplingSettings(unigram_sampling=power)))
    assert counts.keys() <= weights.keys()
    shares = {key: weight / sum(weights.values()) for key, weight in weights.items()}
    assert sum(abs(counts[key] / 8_000 - share) for key, share in shares.items()) / 2 < 0.05


def test_a_run_resumes_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sessions give the weights of one, bit for bit."""
    bpe = {"tokenizer__kind": "bpe", "tokenizer__vocab_size": 280, "data__bpe_dropout": 0.3}
    train_pairs(tmp_path / "whole", model="gru", updates=4, **bpe)
    with monkeypatch.context() as patch:
        signal_after(patch, 2)
        train_pairs(tmp_path / "parts", model="gru", updates=4, **bpe)
    train_pairs(tmp_path / "parts", model="gru", updates=4, resume=True, **bpe)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("setting", ["bpe_dropout", "unigram_sampling"])
def test_words_cannot_be_segmented(tmp_path: Path, setting: str) -> None:
    with pytest.raises(RequestError, match="no tokens of kind") as refused:
        train_pairs(tmp_path / "run", model="gru", updates=1, **{f"data__{setting}": 0.1})
    assert refused.value.where == f"data.{setting}"


def test_a_stream_cannot_be_segmented_anew(tmp_path: Path) -> None:
    bpe = {"tokenizer__kind": "bpe", "tokenizer__vocab_size": 300, "data__bpe_dropout": 0.1}
    with pytest.raises(RequestError, match="along a stream"):
        make_settings("language-model", "lstm", {"data.unigram_sampling": 0.2})  # before any data is read
    with pytest.raises(RequestError, match="along a stream"):
        train_small(tmp_path / "run", updates=1, **bpe)
    assert train_small(tmp_path / "lines", updates=2, data__mode="lines", **bpe).summary


def test_long_pairs_are_left_out_or_cut(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"\d+ of \d+ training pairs are longer than the limit, and left out"):
        short = train_pairs(tmp_path / "short", model="gru", updates=3, data__max_length=3)
    with pytest.warns(UserWarning, match="cut to 3 tokens"):
        cut = train_pairs(tmp_path / "cut", model="gru", updates=3, data__max_length=3, data__long="cut")
    assert short.summary
    assert cut.summary
    with pytest.raises(seqloom.SeqloomError, match="all pairs are too long"):
        LengthLimit(1, "skip").select((np.array([5, 6]), np.array([2, 7])), "pairs")
