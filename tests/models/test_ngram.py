"""n-gram models: lmplz's figures, Kneser-Ney by brute force, sums of one, pruning, and counting on disk."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import torch

from seqloom.data.line_batches import line_batch
from seqloom.data.tokenizer import EOS, PAD, SOS, UNK
from seqloom.errors import RequestError
from seqloom.models.ngram import counting
from seqloom.models.ngram.model import NgramModel, NgramSettings
from tests.support.small_texts import fitted, moby_dick, token_file, words_of

HERE = Path(__file__).parent
Lines = list[list[int]]
SMOOTHINGS = ("kneser-ney", "absolute", "witten-bell", "add-k", "maximum-likelihood")
texts = st.lists(st.lists(st.integers(4, 8), max_size=7), min_size=1, max_size=12)


def test_a_table_of_lmplz() -> None:
    assert_equal_to("lmplz_moby_dick.tsv", order=4)


def test_a_table_of_lmplz_with_pruning() -> None:
    assert_equal_to("lmplz_moby_dick_pruned.tsv", order=3, prune=(0, 0, 1))


def assert_equal_to(table: str, **settings: object) -> None:
    tokens, words = words_of(moby_dick(500))
    ids = {"<unk>": UNK, "<s>": SOS, "</s>": EOS} | {word: i for i, word in enumerate(words) if i > EOS}
    model = fitted(tokens, len(words), **settings)
    header, *rows = (HERE / table).read_text(encoding="utf-8").splitlines()
    sizes = [int(size) for size in header.rpartition(": ")[2].split(" n-grams")[0].split()]
    assert [size - (n == 0) for n, size in enumerate(model.store.sizes.tolist())] == sizes
    for row in rows:
        log_prob, text, *backoff = row.split("\t")
        node = find(model, [ids[word] for word in text.split(" ")])
        assert node is not None, text
        assert model.store.log_probs[node] == pytest.approx(float(log_prob), abs=1e-5), text
        if backoff:
            assert model.store.backoffs[node] == pytest.approx(float(backoff[0]), abs=1e-5), text


def find(model: NgramModel, words: Sequence[int]) -> int | None:
    """The node of an n-gram."""
    store, node = model.store, words[0]
    for word in words[1:]:
        first, last = int(store.begin[node]), int(store.begin[node + 1])
        found = np.flatnonzero(store.words[first:last] == word)
        if not len(found):
            return None
        node = first + int(found[0])
    return node


def distribution(model: NgramModel, context: Sequence[int]) -> torch.Tensor:
    log_probs, _ = model.next_log_probs(torch.tensor([list(context)]), model.initial_state(1))
    return log_probs[0].double().exp()


@hypothesis.given(texts, st.integers(1, 4), st.sampled_from(SMOOTHINGS))
def test_every_distribution_sums_to_one(lines: Lines, order: int, smoothing: Any) -> None:
    model = fitted(token_file(lines), 10, order=order, smoothing=smoothing)
    for context in [[SOS], [4], [9], [SOS, 4], [4, 5], [9, 9, 4], [5, 5, 5, 5], [UNK, 6]]:
        assert distribution(model, context).sum() == pytest.approx(1, abs=1e-5)
        assert distribution(model, context)[[PAD, SOS]].sum() == 0


@hypothesis.given(texts, st.integers(1, 4))
def test_kneser_ney_by_brute_force(lines: Lines, order: int) -> None:
    model, wanted = fitted(token_file(lines), 10, order=order), BruteForce(lines, order, 10)
    for context in [(SOS,), (SOS, 4), (4, 5), (SOS, 5, 4), (9, 4, 4), (4, 5, 6), (8,)]:
        probs = distribution(model, context)
        for word in (UNK, EOS, 4, 5, 8, 9):
            assert probs[word] == pytest.approx(wanted.prob(word, context), rel=2e-5)


class BruteForce:
    """The equations of Heafield et al. 2013 with dictionaries."""

    def __init__(self, lines: Lines, order: int, vocab_size: int) -> None:
        self.order, self.words = order, vocab_size - 2
        raw: Counter[tuple[int, ...]] = Counter()
        for line in lines:
            text = (SOS, *line, EOS)
            for n in range(1, order + 1):
                raw.update(text[i : i + n] for i in range(len(text) - n + 1))
        before = defaultdict(set)
        for gram in raw:
            before[gram[1:]].add(gram[0])
        self.adjusted = {
            gram: count if len(gram) == order or gram[0] == SOS else len(before[gram]) for gram, count in raw.items()
        }
        self.adjusted[(SOS,)] = 0
        self.discount = [self._discounts(n) for n in range(1, order + 1)]

    def _discounts(self, order: int) -> tuple[float, ...]:
        n = Counter(count for gram, count in self.adjusted.items() if len(gram) == order)
        if n[1] and n[2] and n[3]:
            y = n[1] / (n[1] + 2 * n[2])
            found = tuple(k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3))
            if all(0 <= d <= k for k, d in enumerate(found, 1)):
                return (0.0, *found)
        return (0.0, 0.5, 1.0, 1.5)

    def prob(self, word: int, context: Sequence[int]) -> float:
        context = tuple(context)[max(0, len(context) - self.order + 1) :]
        discount = self.discount[len(context)]
        after = {g: a for g, a in self.adjusted.items() if g[:-1] == context and len(g) == len(context) + 1}
        below = self.prob(word, context[1:]) if context else 1 / self.words
        total = sum(after.values())
        if not total:
            return below
        own = self.adjusted.get((*context, word), 0)
        gamma = sum(discount[min(a, 3)] for a in after.values()) / total
        return (own - discount[min(own, 3)]) / total + gamma * below


@pytest.mark.parametrize(
    ("smoothing", "context", "word", "wanted"),
    [
        ("maximum-likelihood", 4, 5, 2 / 3),
        ("maximum-likelihood", 4, 7, 0.0),
        ("maximum-likelihood", 5, EOS, 1 / 2),
        ("add-k", 4, 5, 2.5 / 6),
        ("add-k", 4, 7, 0.5 / 6),
        ("add-k", 1, 4, 1 / 6),
        # Unigrams: 10 tokens of 5 kinds; after 4 stand 3 tokens of 2 kinds.
        ("witten-bell", 4, 5, (2 + 2 * (2 + 5 / 6) / 15) / 5),
        ("witten-bell", 4, 7, 2 * (1 + 5 / 6) / 15 / 5),
    ],
)
def test_simpler_methods_by_hand(smoothing: Any, context: int, word: int, wanted: float) -> None:
    """6 words can be predicted."""
    lines = [[4, 5], [4, 5, 7], [4, 6]]
    model = fitted(token_file(lines), 8, order=2, smoothing=smoothing, k=0.5)
    assert distribution(model, [context])[word] == pytest.approx(wanted, abs=1e-6)


def test_scores_agree_however_they_are_asked_for() -> None:
    tokens, words = words_of(moby_dick(200))
    model = fitted(tokens, len(words), order=4)
    rows = tokens.rows(range(20))
    batch = line_batch(rows)
    scores, after = model.log_prob(batch.inputs, batch.targets, model.initial_state(20), batch.lengths)
    mask = batch.mask()
    assert mask is not None
    sums = scores.double().masked_fill(~mask, 0).sum(1)
    whole, lengths, _ = model.line_scores(tokens.ids[: tokens.offsets[20]], tokens.offsets[:21])
    np.testing.assert_allclose(sums, whole, rtol=1e-5)
    assert lengths.tolist() == [len(row) for row in rows]
    state = model.initial_state(20)
    for step in range(8):
        log_probs, state = model.next_log_probs(batch.inputs[:, step : step + 1], state)
        real = mask[:, step]
        chosen = log_probs.gather(1, batch.targets[:, step, None])[:, 0]
        torch.testing.assert_close(chosen[real], scores[:, step][real])
    last = after[0]
    for row, length in enumerate(batch.lengths if batch.lengths is not None else []):
        inputs = [PAD] * 3 + batch.inputs[row, :length].tolist()
        assert last[row].tolist() == inputs[-3:]


def test_a_stream_is_scored_as_its_lines() -> None:
    """The end of a line begins the next one."""
    tokens, words = words_of(moby_dick(30))
    model = fitted(tokens, len(words), order=3)
    targets = torch.from_numpy(tokens.ids.astype(np.int64))[None]
    inputs = torch.cat([torch.tensor([[EOS]]), targets[:, :-1]], 1)
    along = model.log_prob(inputs, targets, model.initial_state(1))[0].double().sum()
    assert float(along) == pytest.approx(model.line_scores(tokens.ids, tokens.offsets)[0].sum(), rel=1e-5)


@pytest.mark.parametrize("places", [1 << 6, 1 << 8])
def test_counting_on_disk_gives_the_same(places: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, words = words_of(moby_dick(120))
    wanted = fitted(tokens, len(words), order=4)
    monkeypatch.setattr(counting, "_MIN_PLACES", places)
    monkeypatch.setattr(counting, "_BYTES_PER_PLACE", 1 << 40)
    for array, same in zip(fitted(tokens, len(words), order=4).store, wanted.store, strict=True):
        np.testing.assert_array_equal(array, same)


@hypothesis.given(texts, st.integers(2, 5), st.sampled_from([10, 2**14, 2**18]))
def test_counts_are_those_of_a_dictionary(lines: Lines, order: int, vocab_size: int) -> None:
    """Also where few words fit into a sorting key."""
    counted = counting.count(token_file(lines), order, vocab_size, 1 << 30)
    assert counted.counts[0].sum() == sum(len(line) + 2 for line in lines)
    for n in range(2, order + 1):
        wanted = Counter(
            tuple(text[i : i + n]) for line in lines for text in [[SOS, *line, EOS]] for i in range(len(text) - n + 1)
        )
        grams = rows_of_level(counted.trie, n - 1)
        assert grams == sorted(wanted)
        assert counted.counts[n - 1].tolist() == [wanted[gram] for gram in grams]


def rows_of_level(trie: Any, level: int) -> list[tuple[int, ...]]:
    rows = [(i,) for i in range(trie.vocab_size)]
    for n in range(1, level + 1):
        parents = np.repeat(np.arange(len(rows)), np.diff(trie.begin[n - 1].astype(np.int64)))
        rows = [(*rows[p], int(w)) for p, w in zip(parents, trie.words[n], strict=True)]
    return rows


def test_entropy_pruning_leaves_out_what_matters_least() -> None:
    tokens, words = words_of(moby_dick(500))
    sizes, scores = [], []
    for threshold in (0.0, 1e-8, 1e-6, 1e-4):
        model = fitted(tokens, len(words), order=3, entropy_threshold=threshold)
        sizes.append(int(model.store.sizes.sum()))
        scores.append(model.line_scores(tokens.ids, tokens.offsets)[0].sum())
        for context in ([SOS], [words.index("the")], [words.index("of"), words.index("the")], [UNK, UNK]):
            assert distribution(model, context).sum() == pytest.approx(1, abs=1e-5)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0] / 2
    assert scores == sorted(scores, reverse=True)


def test_discounts_that_cannot_be_estimated_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    fitted(token_file([[4, 5, 6]]), 8, order=2)
    errors = capsys.readouterr().err
    assert "the discounts of 2-grams cannot be estimated" in errors
    assert "using 0.5, 1.0, 1.5" in errors


@pytest.mark.parametrize("lines", [[[]], [[4]], [[4], [4]], [[], [], []]])
def test_tiny_texts(lines: Lines) -> None:
    for order, smoothing in itertools.product((1, 2, 5), SMOOTHINGS):
        model = fitted(token_file(lines), 6, order=order, smoothing=smoothing)
        assert math.isfinite(model.line_scores(np.array([4, 5, EOS], np.uint32), np.array([0, 3]))[0][0])


@pytest.mark.parametrize("prune", [(1,), (0, 2, 1), (0, -1), (0, 0, 0, 0)])
def test_impossible_thresholds(prune: tuple[int, ...]) -> None:
    with pytest.raises(RequestError, match="thresholds"):
        NgramModel(NgramSettings(order=3, prune=prune))


def test_a_store_is_mapped_as_it_was_written(tmp_path: Path) -> None:
    tokens, words = words_of(moby_dick(50))
    model = fitted(tokens, len(words), order=3)
    model.save(tmp_path)
    again = NgramModel(NgramSettings(order=3))
    again.open(tmp_path)
    for array, same in zip(again.store, model.store, strict=True):
        np.testing.assert_array_equal(array, same)
        assert not array.flags.owndata
        assert array.ctypes.data % array.itemsize == 0
