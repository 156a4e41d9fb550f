"""CTC: the loss is torch's, the beam is what trying every text gives, with a language model or without."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from seqloom.data.text_codec import train_tokenizer
from seqloom.data.tokenizer import EOS, SOS, SPECIALS, UNK, Tokenizer, TokenizerSettings
from seqloom.models.transcriber import BLANK, ctc_loss
from seqloom.models.word_ngram import WordNgram
from seqloom_portable.ctc import CtcHypothesis, aligned, greedy, utterances
from seqloom_portable.ctc_beam import Fusion, prefix_beam
from seqloom_portable.word_lexicon import WordLexicon


def random_log_probs(steps: int, vocab: int, seed: int, sharpness: float = 2.0) -> NDArray[np.float32]:
    logits = np.random.default_rng(seed).normal(size=(steps, vocab)) * sharpness
    logits[:, 1:4] = -30  # the special tokens besides the blank
    return torch.log_softmax(torch.from_numpy(logits), 1).float().numpy()


def collapsed(path: Sequence[int]) -> tuple[int, ...]:
    return tuple(token for token, _ in itertools.groupby(path) if token != BLANK)


def every_text(log_probs: NDArray[np.float32]) -> dict[tuple[int, ...], float]:
    """log p of every text, from every path."""
    alphabet = [BLANK, *range(4, log_probs.shape[1])]
    sums: dict[tuple[int, ...], float] = {}
    for path in itertools.product(alphabet, repeat=len(log_probs)):
        p = math.exp(sum(float(log_probs[t, token]) for t, token in enumerate(path)))
        sums[collapsed(path)] = sums.get(collapsed(path), 0.0) + p
    return {text: math.log(p) for text, p in sums.items()}


def test_the_loss_is_torchs_by_paths() -> None:
    log_probs = random_log_probs(5, 6, 0)
    for text, log_prob in every_text(log_probs).items():
        if text:
            loss = ctc_loss(torch.from_numpy(log_probs)[None], None, torch.tensor([text]), torch.tensor([len(text)]))
            assert float(loss) == pytest.approx(-log_prob, abs=1e-4)


def test_the_loss_of_ragged_rows_is_torchs() -> None:
    log_probs = torch.from_numpy(np.stack([random_log_probs(9, 8, seed) for seed in range(3)])).requires_grad_()
    targets, lengths = torch.tensor([[4, 5, 5], [6, 0, 0], [0, 0, 0]]), torch.tensor([9, 5, 7])
    loss = ctc_loss(log_probs, lengths, targets, torch.tensor([3, 1, 0]))
    rows = [
        F.ctc_loss(log_probs[i : i + 1, :n].transpose(0, 1), targets[i : i + 1], (int(n),), (m,), 0, "sum")
        for i, (n, m) in enumerate(zip(lengths, (3, 1, 0), strict=True))
    ]
    assert float(loss.detach()) == pytest.approx(sum(float(row.detach()) for row in rows), abs=1e-4)
    loss.backward()
    assert log_probs.grad is not None
    assert torch.isfinite(log_probs.grad).all()
    assert not log_probs.grad[1, 5:].any()


def test_a_text_that_does_not_fit_counts_nothing() -> None:
    log_probs = torch.from_numpy(random_log_probs(3, 8, 1))[None]
    assert float(ctc_loss(log_probs, None, torch.tensor([[4, 4, 4]]), torch.tensor([3]))) == 0.0


@pytest.mark.parametrize("seed", range(8))
def test_a_wide_beam_is_exhaustive(seed: int) -> None:
    log_probs = random_log_probs(6, 7, seed, 1.0)
    texts = every_text(log_probs)
    best = sorted(texts, key=lambda text: -texts[text])[:5]
    hypotheses = prefix_beam(log_probs, 3_000, 5, margin=math.inf)
    assert [tuple(h.token_ids) for h in hypotheses] == best
    assert [h.log_prob for h in hypotheses] == pytest.approx([texts[text] for text in best], abs=1e-4)
    assert all(h.score == h.log_prob for h in hypotheses)


def test_greedy_takes_the_best_path() -> None:
    log_probs = np.log(np.full((7, 6), 1e-6, np.float32))
    for step, token in enumerate([0, 4, 4, 0, 4, 5, 0]):
        log_probs[step, token] = -0.1
    emitted = greedy(log_probs)
    assert emitted.token_ids == [4, 4, 5]
    assert emitted.log_prob == pytest.approx(-0.7)
    times = aligned(log_probs, [4, 4, 5])
    assert (times.first.tolist(), times.last.tolist()) == ([1, 4, 5], [2, 4, 5])
    assert greedy(log_probs[:0]).token_ids == []


def test_pauses_part_utterances() -> None:
    log_probs = np.log(np.full((20, 6), 1e-6, np.float32))
    written = {3: 4, 5: 5, 14: 4, 15: 4}
    for step in range(20):
        log_probs[step, written.get(step, BLANK)] = 0.0
    assert utterances(log_probs, 5) == [slice(2, 7), slice(13, 17)]
    assert utterances(log_probs, 9) == [slice(2, 17)]
    assert utterances(log_probs[:2], 3) == []


WORDS = ["ab", "b", "ba"]
TEXTS = ["ab b", "b ab", "ba", "ab ba b", "b b ab"]


def tokenizer_of(kind: str) -> Tokenizer:
    return train_tokenizer(iter(TEXTS), TokenizerSettings(kind=kind, min_count=1))  # type: ignore[arg-type]


def language_score(words: Sequence[str], ngram: WordNgram, weight: float, bonus: float) -> float:
    """By the definition, with the distributions of the n-gram model."""
    from seqloom.models.ngram.model import NgramModel

    model = NgramModel.of(ngram.store())
    ids = [WORDS.index(word) + len(SPECIALS) if word in WORDS else UNK for word in words]
    inputs, targets = torch.tensor([[SOS, *ids]]), torch.tensor([[*ids, EOS]])
    log_probs, _ = model.log_prob(inputs, targets, model.initial_state(1))
    return weight * float(log_probs.sum()) + bonus * len(words)


def all_hypotheses(log_probs: NDArray[np.float32]) -> Iterator[CtcHypothesis]:
    for text, log_prob in every_text(log_probs).items():
        yield CtcHypothesis(list(text), log_prob, log_prob)


@pytest.mark.parametrize("kind", ["character", "word"])
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_fusion_is_what_the_definition_gives(kind: str, closed: bool, seed: int) -> None:
    tokenizer = tokenizer_of(kind)
    ngram = WordNgram.estimate(TEXTS, WORDS, 3)
    fusion = Fusion(WordLexicon.of(tokenizer, WORDS), ngram.store(), 0.7, 0.4, closed)
    log_probs = random_log_probs(6, tokenizer.vocab_size, seed, 1.0)
    expected: list[tuple[float, tuple[int, ...]]] = []
    for hypothesis in all_hypotheses(log_probs):
        words = tokenizer.decode(hypothesis.token_ids).split()
        if closed and any(word not in WORDS for word in words):
            continue
        score = hypothesis.log_prob + language_score(words, ngram, 0.7, 0.4)
        expected.append((score, tuple(hypothesis.token_ids)))
    expected.sort(reverse=True)
    best = prefix_beam(log_probs, 3_000, 4, fusion, math.inf)
    assert [h.score for h in best] == pytest.approx([score for score, _ in expected[:4]], abs=1e-3)
    assert tuple(best[0].token_ids) == expected[0][1]


def test_pieces_that_begin_with_a_space_begin_words() -> None:
    lines = ["low lower lowest"] * 20
    tokenizer = train_tokenizer(iter(lines), TokenizerSettings(kind="bpe", vocab_size=270))
    lexicon = WordLexicon.of(tokenizer, ["low", "lower"])
    ngram = WordNgram.estimate(["lower low"] * 5, ["low", "lower"], 2)
    ids = tokenizer.encode(["lower low"])[0]
    log_probs = np.full((2 * len(ids), tokenizer.vocab_size), -9.0, np.float32)
    log_probs[1::2, BLANK] = log_probs[np.arange(0, 2 * len(ids), 2), ids] = -0.01
    fusion = Fusion(lexicon, ngram.store(), 0.5, 1.0, True)
    (best,) = prefix_beam(log_probs, 8, 1, fusion)
    assert tokenizer.decode(best.token_ids) == "lower low"


def test_a_run_that_is_damaged_is_refused() -> None:
    from seqloom.errors import SeqloomError

    ngram = WordNgram.estimate(TEXTS, WORDS, 2)
    ngram.words[-1] = 99  # type: ignore[operator]
    with pytest.raises(SeqloomError, match="damaged"):
        ngram.store()
