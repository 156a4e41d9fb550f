"""From hidden vectors to a distribution: the blocked loss is cross-entropy, the adaptive softmax is a distribution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from seqloom.nn import output as output_module
from seqloom.nn.output import (
    AdaptiveSoftmax,
    FullSoftmax,
    Output,
    OutputLayer,
    OutputSettings,
    best_cutoffs,
    summed_cross_entropy,
)

ROWS, HIDDEN, VOCAB = 11, 5, 200
COUNTS = (10_000 / np.arange(1, VOCAB + 1)).astype(np.int64)
Arguments = tuple[Tensor, Tensor, Tensor, Tensor]


@pytest.fixture(params=[1, 3 * VOCAB, 1 << 20], ids=["a row a block", "3 rows a block", "one block"])
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_module, "_BLOCK_ELEMENTS", request.param)


def arguments(vocab: int = VOCAB, dtype: torch.dtype = torch.float64) -> Arguments:
    def make(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=dtype, requires_grad=True)

    return make(ROWS, HIDDEN), make(vocab, HIDDEN), make(vocab), torch.randint(vocab, (ROWS,))


def plain(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(hidden @ weight.T + bias, targets, reduction="sum")


def softmax(kind: type[Output], counts: NDArray[np.int64] = COUNTS) -> Output:
    built = kind(nn.Parameter(torch.randn(len(counts), HIDDEN)), counts).double()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return built


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("scale", [1.0, 0.37, -2.0])
def test_the_summed_loss_is_cross_entropy_in_value_and_gradients(scale: float) -> None:
    *inputs, targets = arguments()
    loss, expected = summed_cross_entropy(*inputs, targets), plain(*inputs, targets)
    torch.testing.assert_close(loss, expected)
    for actual, wanted in zip(
        torch.autograd.grad(scale * loss, inputs), torch.autograd.grad(scale * expected, inputs), strict=True
    ):
        torch.testing.assert_close(actual, wanted)


@pytest.mark.usefixtures("_blocks")
def test_the_summed_loss_passes_gradcheck() -> None:
    *inputs, targets = arguments(vocab=7)
    assert torch.autograd.gradcheck(
        lambda *arguments_of_loss: summed_cross_entropy(*arguments_of_loss, targets), inputs
    )


def test_equal_targets_add_up() -> None:
    *inputs, _ = arguments()
    targets = torch.full((ROWS,), 3)
    actual = torch.autograd.grad(summed_cross_entropy(*inputs, targets), inputs)
    torch.testing.assert_close(actual, torch.autograd.grad(plain(*inputs, targets), inputs))


def test_large_logits_do_not_overflow() -> None:
    *_, targets = arguments()
    hidden, weight = torch.full((ROWS, HIDDEN), 1e3), torch.randn(VOCAB, HIDDEN)
    assert torch.isfinite(summed_cross_entropy(hidden, weight, torch.zeros(VOCAB), targets))


def test_no_rows_cost_nothing() -> None:
    hidden, weight, bias, _ = arguments()
    loss = summed_cross_entropy(hidden[:0], weight, bias, torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss == 0
    assert not weight.grad.any()


def test_without_gradients_the_loss_is_the_same() -> None:
    arguments_of_loss = arguments()
    with torch.no_grad():
        torch.testing.assert_close(summed_cross_entropy(*arguments_of_loss), plain(*arguments_of_loss))


def test_bfloat16_hidden_vectors_are_close_to_float32() -> None:
    hidden, weight, bias, targets = arguments(dtype=torch.float32)
    rounded = hidden.detach().bfloat16().requires_grad_()
    loss, expected = summed_cross_entropy(rounded, weight, bias, targets), plain(hidden, weight, bias, targets)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=0.02, atol=0.0)
    actual = torch.autograd.grad(loss, [rounded, weight, bias])
    wanted = torch.autograd.grad(expected, [hidden, weight, bias])
    assert [gradient.dtype for gradient in actual] == [torch.bfloat16, torch.float32, torch.float32]
    for a, b in zip(actual, wanted, strict=True):
        assert (a.float() - b).norm() < 0.03 * b.norm()


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("smoothing", [0.1, 0.9])
def test_label_smoothing_is_that_of_cross_entropy(smoothing: float) -> None:
    hidden, weight, bias, targets = arguments()
    loss = summed_cross_entropy(hidden, weight, bias, targets, smoothing)
    expected = nn.functional.cross_entropy(
        hidden @ weight.T + bias, targets, reduction="sum", label_smoothing=smoothing
    )
    torch.testing.assert_close(loss, expected)
    actual, wanted = (torch.autograd.grad(-0.3 * value, [hidden, weight, bias]) for value in (loss, expected))
    torch.testing.assert_close(actual, wanted)


def test_label_smoothing_passes_gradcheck() -> None:
    *inputs, targets = arguments(vocab=7)
    assert torch.autograd.gradcheck(
        lambda *arguments_of_loss: summed_cross_entropy(*arguments_of_loss, targets, 0.2), inputs
    )


def test_label_smoothing_with_bfloat16_hidden_vectors_is_close() -> None:
    hidden, weight, bias, targets = arguments(dtype=torch.float32)
    rounded = hidden.detach().bfloat16().requires_grad_()
    loss = summed_cross_entropy(rounded, weight, bias, targets, 0.2)
    expected = summed_cross_entropy(hidden, weight, bias, targets, 0.2)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=0.02, atol=0.0)
    pairs = zip(
        torch.autograd.grad(loss, [rounded, weight, bias]),
        torch.autograd.grad(expected, [hidden, weight, bias]),
        strict=True,
    )
    for actual, wanted in pairs:
        assert (actual.float() - wanted).norm() < 0.03 * wanted.norm()


def test_the_adaptive_softmax_smooths_the_head_and_the_tail_that_decide_a_token() -> None:
    built, hidden = softmax(AdaptiveSoftmax), torch.randn(4, HIDDEN, dtype=torch.float64)
    built.label_smoothing = 0.1
    assert isinstance(built, AdaptiveSoftmax)
    first = built.cutoffs[0]
    targets = torch.tensor([0, first - 1, first, VOCAB - 1])
    weights, biases = torch.split(built.weight, built.sizes), torch.split(built.bias, built.sizes)
    head = hidden @ torch.cat([weights[0], built.cluster_weight]).T + torch.cat([biases[0], built.cluster_bias])

    def smoothed(logits: Tensor, target: int) -> Tensor:
        return nn.functional.cross_entropy(logits, torch.tensor(target), label_smoothing=0.1)

    last = len(weights) - 1
    expected = (
        smoothed(head[0], 0)
        + smoothed(head[1], first - 1)
        + smoothed(head[2], first)
        + smoothed(weights[1] @ hidden[2] + biases[1], 0)
        + smoothed(head[3], first + last - 1)
        + smoothed(weights[last] @ hidden[3] + biases[last], len(biases[last]) - 1)
    )
    torch.testing.assert_close(built.loss(hidden, targets), expected)


@pytest.mark.parametrize("kind", [FullSoftmax, AdaptiveSoftmax])
@pytest.mark.usefixtures("_blocks")
class TestADistribution:
    def test_it_sums_to_one(self, kind: type[Output]) -> None:
        probabilities = softmax(kind).log_probs(torch.randn(ROWS, HIDDEN, dtype=torch.float64)).exp()
        assert probabilities.shape == (ROWS, VOCAB)
        torch.testing.assert_close(probabilities.sum(1), torch.ones(ROWS, dtype=torch.float64))

    @pytest.mark.parametrize("targets", [torch.arange(0, VOCAB, 19), torch.arange(ROWS), torch.full((ROWS,), 199)])
    def test_the_loss_is_what_the_distribution_says(self, kind: type[Output], targets: Tensor) -> None:
        built, hidden = softmax(kind), torch.randn(len(targets), HIDDEN, dtype=torch.float64)
        target_log_probs = built.log_probs(hidden).gather(1, targets[:, None]).squeeze(1)
        torch.testing.assert_close(built.log_prob(hidden, targets), target_log_probs)
        torch.testing.assert_close(built.loss(hidden, targets), -target_log_probs.sum())

    @pytest.mark.parametrize("targets", [torch.arange(0, VOCAB, 19), torch.arange(ROWS)], ids=["all tails", "no tail"])
    def test_gradients_are_those_of_the_loss(self, kind: type[Output], targets: Tensor) -> None:
        built = softmax(kind)
        hidden = torch.randn(len(targets), HIDDEN, dtype=torch.float64, requires_grad=True)

        def loss(hidden: Tensor, *_: Tensor) -> Tensor:
            return built.loss(hidden, targets)

        assert torch.autograd.gradcheck(loss, (hidden, *built.parameters()), fast_mode=True)

    def test_labels_are_smoothed_in_training_alone(self, kind: type[Output]) -> None:
        built, hidden = softmax(kind), torch.randn(ROWS, HIDDEN, dtype=torch.float64)
        targets, plain = torch.arange(ROWS), built.loss(hidden, torch.arange(ROWS))
        built.label_smoothing = 0.1
        assert not torch.isclose(built.loss(hidden, targets), plain)
        torch.testing.assert_close(built.eval().loss(hidden, targets), plain)

    def test_gradients_are_those_of_the_smoothed_loss(self, kind: type[Output]) -> None:
        built, targets = softmax(kind), torch.arange(0, VOCAB, 19)
        built.label_smoothing = 0.1
        hidden = torch.randn(len(targets), HIDDEN, dtype=torch.float64, requires_grad=True)
        arguments_of_loss = (hidden, *built.parameters())
        assert torch.autograd.gradcheck(
            lambda hidden, *_: built.loss(hidden, targets), arguments_of_loss, fast_mode=True
        )

    def test_a_fresh_one_is_the_unigram(self, kind: type[Output]) -> None:
        built = kind(nn.Parameter(torch.zeros(VOCAB, HIDDEN)), COUNTS)
        expected = torch.from_numpy((COUNTS + 0.1) / (COUNTS + 0.1).sum()).float()
        torch.testing.assert_close(built.log_probs(torch.randn(1, HIDDEN)).exp()[0], expected)


@pytest.mark.parametrize("kind", ["full", "adaptive"])
def test_a_tied_table_receives_both_gradients(kind: str) -> None:
    table = nn.Embedding(VOCAB, HIDDEN)
    layer = OutputLayer(HIDDEN, OutputSettings(kind=kind), COUNTS, table.weight)  # type: ignore[arg-type]
    assert layer.softmax.weight is table.weight
    token_ids, targets = torch.tensor([[1, 2]]), torch.tensor([3, 4])

    def gradient(tie: Callable[[Tensor], Tensor], untie: Callable[[Tensor], Tensor]) -> Tensor:
        """The table's gradient, with the way in or the way out cut."""
        table.weight.grad = None
        hidden = tie(table(token_ids)).flatten(0, 1)
        untie(layer.softmax.loss(hidden, targets)).backward()
        return table.weight.grad.clone()

    whole = gradient(lambda x: x, lambda x: x)
    out = gradient(Tensor.detach, lambda x: x)
    assert not torch.equal(whole[1], out[1])
    assert torch.equal(whole[5:], out[5:])
    assert out[3].any()
    assert out[199].any() == (kind == "full")


def test_an_untied_output_has_a_table_of_its_own_and_a_tied_one_is_projected_to() -> None:
    table = nn.Parameter(torch.randn(VOCAB, 3))
    tied, untied = (OutputLayer(HIDDEN, OutputSettings(tied=tied), COUNTS, table) for tied in (True, False))
    hidden = torch.randn(2, 4, HIDDEN)
    assert tied(hidden).shape == (2, 4, 3)
    assert untied(hidden) is hidden
    assert untied.softmax.weight.shape == (VOCAB, HIDDEN)


@pytest.mark.parametrize(
    ("kind", "vocab", "expected"),
    [
        ("auto", 3_999, FullSoftmax),
        ("auto", 4_000, AdaptiveSoftmax),
        ("full", 4_000, FullSoftmax),
        ("adaptive", 65, AdaptiveSoftmax),
        ("adaptive", 64, FullSoftmax),
    ],
)
def test_the_kind_follows_from_the_vocabulary(kind: str, vocab: int, expected: type[Output]) -> None:
    table, counts = nn.Parameter(torch.zeros(vocab, 2)), np.arange(vocab, 0, -1)
    assert type(OutputLayer(2, OutputSettings(kind=kind), counts, table).softmax) is expected  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 10**6), min_size=65, max_size=400))
def test_cutoffs_rise_within_the_vocabulary(counts: list[int]) -> None:
    cutoffs = best_cutoffs(np.array(sorted(counts, reverse=True)))
    assert 1 <= len(cutoffs) <= 3
    assert cutoffs == sorted(set(cutoffs))
    assert 0 < cutoffs[0] <= cutoffs[-1] < len(counts)


def test_cutoffs_cost_far_less_than_the_whole_table() -> None:
    counts = (1e7 / np.arange(1, 10_001)).astype(np.int64)
    cutoffs = best_cutoffs(counts)
    ends = [*cutoffs[1:], len(counts)]
    visits = [(first, last, counts[first:last].sum() / counts.sum()) for first, last in zip(cutoffs, ends, strict=True)]
    rows = cutoffs[0] + len(cutoffs) + sum(share * (last - first) for first, last, share in visits)
    assert rows < 0.25 * len(counts)


def test_what_matters_is_as_without_a_limit_and_the_rest_may_be_left_out() -> None:
    softmax = AdaptiveSoftmax(nn.Parameter(torch.randn(VOCAB, HIDDEN, dtype=torch.float64)), COUNTS).double()
    hidden = 3 * torch.randn(ROWS, HIDDEN, dtype=torch.float64)
    whole = softmax.log_probs(hidden)
    limits = torch.linspace(-12, 0, ROWS, dtype=torch.float64)
    limited = softmax.log_probs(hidden, lambda frequent: limits[: len(frequent)])
    left_out = limited == -torch.inf
    assert left_out.any()
    assert not (left_out & (whole >= limits[:, None])).any()
    torch.testing.assert_close(limited[~left_out], whole[~left_out])
