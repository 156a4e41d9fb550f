"""The CRF against brute force, compiled against plain torch, rows among others against rows alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from seqloom.nn.crf.chain import Chain, best_path, best_path_in_torch, log_partition, log_partition_in_torch, path_score
from seqloom.nn.crf.crf import CRF
from seqloom.nn.crf.tag_output import TagSoftmax

Make = Callable[[], CRF | TagSoftmax]

TAGS, TIME = 3, 4
LENGTHS = torch.tensor([4, 1, 0, 3])


def some_chain(tags: int = TAGS, dtype: torch.dtype = torch.float64) -> Chain:
    return Chain(torch.randn(tags, dtype=dtype), torch.randn(tags, tags, dtype=dtype), torch.randn(tags, dtype=dtype))


def some_emissions(rows: int = 4, tags: int = TAGS, dtype: torch.dtype = torch.float64) -> Tensor:
    return 2 * torch.randn(rows, TIME, tags, dtype=dtype)


def every_path(emissions: Tensor, chain: Chain) -> Iterator[tuple[tuple[int, ...], float]]:
    """All paths of one row (time, tags), and their scores."""
    for path in itertools.product(range(TAGS), repeat=len(emissions)):
        score = float(chain.first[path[0]] + chain.last[path[-1]])
        score += sum(float(emissions[step, tag]) for step, tag in enumerate(path))
        yield path, score + sum(float(chain.transitions[a, b]) for a, b in itertools.pairwise(path))


@pytest.mark.parametrize("seed", range(5))
def test_brute_force(seed: int) -> None:
    torch.manual_seed(seed)
    emissions, chain = some_emissions(), some_chain()
    log_z, best = log_partition(emissions, chain, LENGTHS), best_path(emissions, chain, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        if not length:
            assert log_z[row] == 0
            continue
        paths = dict(every_path(emissions[row, :length], chain))
        torch.testing.assert_close(log_z[row], torch.tensor(list(paths.values())).double().logsumexp(0))
        assert tuple(best[row, :length].tolist()) == max(paths, key=paths.__getitem__)
        some = torch.tensor([next(iter(paths))])
        scored = path_score(emissions[row : row + 1, :length], some, chain)
        torch.testing.assert_close(float(scored), next(iter(paths.values())))


def test_probabilities_are_brute_force() -> None:
    crf = CRF(torch.ones(TAGS + 1, TAGS + 1, dtype=torch.bool)).double()
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.normal_()
    emissions = some_emissions()
    chain = Chain(*(scores.detach() for scores in (crf.first, crf.moves, crf.last)))
    found = crf.probabilities(emissions, LENGTHS)
    expected = torch.zeros_like(emissions)
    for row, length in enumerate(LENGTHS.tolist()):
        paths = dict(every_path(emissions[row, :length], chain)) if length else {}
        total = sum(torch.tensor(score).double().exp() for score in paths.values())
        for path, score in paths.items():
            for step, tag in enumerate(path):
                expected[row, step, tag] += torch.tensor(score).double().exp() / total
    torch.testing.assert_close(found, expected)
    assert not found.requires_grad


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_compiled_code_is_plain_torch(dtype: torch.dtype, lengths: Tensor | None) -> None:
    """Values and all gradients."""
    leaves = [some_emissions(tags=6, dtype=dtype), *some_chain(6, dtype)]
    weight = torch.randn(4, dtype=dtype)
    found = []
    for run in (log_partition, log_partition_in_torch):
        emissions, *scores = (leaf.clone().requires_grad_() for leaf in leaves)
        log_z = run(emissions, Chain(*scores), lengths)
        (log_z * weight).sum().backward()
        found.append([log_z.detach(), *(leaf.grad for leaf in (emissions, *scores))])
    for compiled, plain in zip(*found, strict=True):
        torch.testing.assert_close(compiled, plain)
    paths = [run(leaves[0], Chain(*leaves[1:]), lengths) for run in (best_path, best_path_in_torch)]
    assert torch.equal(*paths)


def test_gradients_are_those_of_differences() -> None:
    leaves = [part.requires_grad_() for part in (some_emissions(), *some_chain())]
    assert torch.autograd.gradcheck(lambda e, *scores: log_partition(e, Chain(*scores), LENGTHS), leaves)


def test_large_scores_stay_numbers() -> None:
    emissions = torch.tensor([[[900.0, -900.0, 0.0]] * 5]).requires_grad_()
    log_z = log_partition(emissions, Chain(torch.zeros(3), torch.zeros(3, 3), torch.zeros(3)))
    log_z.sum().backward()
    assert log_z.item() == pytest.approx(4500)
    torch.testing.assert_close(emissions.grad, torch.tensor([[[1.0, 0.0, 0.0]] * 5]))


def a_crf() -> CRF:
    """The first tag may not come first, nor the third after the second, nor the second last."""
    legal = torch.ones(TAGS + 1, TAGS + 1, dtype=torch.bool)
    legal[-1, 0] = legal[1, 2] = legal[1, -1] = False
    crf = CRF(legal).double()
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.normal_(std=3)
    return crf


@pytest.mark.parametrize("make", [a_crf, TagSoftmax], ids=["crf", "softmax"])
class TestAnyOutput:
    def test_the_loss_of_rows_is_that_of_each_alone(self, make: Make) -> None:
        output, emissions = make(), some_emissions().requires_grad_()
        tags, known = torch.randint(TAGS, (4, TIME)), torch.arange(TIME) < LENGTHS[:, None]
        together = output.loss(emissions, tags, known, LENGTHS)
        (gradient,) = torch.autograd.grad(together, emissions)
        rows = [slice(row, row + 1) for row in range(4)]
        alone = sum(
            output.loss(emissions[row, :n], tags[row, :n], known[row, :n])
            for row, n in zip(rows, LENGTHS.tolist(), strict=True)
            if n
        )
        torch.testing.assert_close(together, alone)
        torch.testing.assert_close(gradient, torch.autograd.grad(alone, emissions)[0])
        assert not gradient[~known].any()

    def test_padding_changes_nothing(self, make: Make) -> None:
        output, emissions = make(), some_emissions()
        tags, known = torch.randint(TAGS, (4, TIME)), torch.arange(TIME) < LENGTHS[:, None]
        other = torch.where(known[:, :, None], emissions, 50.0)
        torch.testing.assert_close(
            output.loss(other, tags.where(known, -1), known, LENGTHS), output.loss(emissions, tags, known, LENGTHS)
        )
        assert torch.equal(output.best(other, LENGTHS)[known], output.best(emissions, LENGTHS)[known])
        torch.testing.assert_close(
            output.probabilities(other, LENGTHS)[known], output.probabilities(emissions, LENGTHS)[known]
        )

    def test_what_is_not_known_costs_nothing(self, make: Make) -> None:
        output, emissions = make(), some_emissions().requires_grad_()
        nothing = torch.zeros(4, TIME, dtype=torch.bool)
        loss = output.loss(emissions, torch.full((4, TIME), -1), nothing, LENGTHS)
        (gradient,) = torch.autograd.grad(loss, emissions)
        torch.testing.assert_close(loss, torch.zeros_like(loss))
        torch.testing.assert_close(gradient, torch.zeros_like(gradient))

    def test_an_unknown_tag_is_any(self, make: Make) -> None:
        """Its probability is the sum over what it could be."""
        output, emissions = make(), some_emissions(rows=1)
        tags, known = torch.tensor([[1, 0, 2, 0]]), torch.tensor([[True, False, True, True]])
        each = []
        for tag in range(TAGS):
            tags[0, 1] = tag
            each.append(-output.loss(emissions, tags, torch.ones_like(known)))
        torch.testing.assert_close(output.loss(emissions, tags, known), -torch.stack(each).logsumexp(0))

    def test_probabilities_sum_to_one(self, make: Make) -> None:
        total = make().probabilities(some_emissions()).sum(2)
        torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize("seed", range(20))
def test_the_best_path_is_legal(seed: int) -> None:
    torch.manual_seed(seed)
    crf = a_crf()
    for row, length in zip(crf.best(20 * some_emissions(), LENGTHS), LENGTHS.tolist(), strict=True):
        path = [TAGS, *row[:length].tolist(), TAGS]
        assert all(crf.legal[a, b] for a, b in itertools.pairwise(path))


def test_an_illegal_annotation_costs_much_but_not_without_end() -> None:
    crf, emissions = a_crf(), some_emissions(rows=1)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.zero_()
    known = torch.ones(1, TIME, dtype=torch.bool)
    legal, illegal = (crf.loss(0 * emissions, torch.tensor([tags]), known) for tags in ([1, 1, 1, 0], [1, 2, 1, 0]))
    torch.testing.assert_close((illegal - legal).item(), 20.0)


def test_a_step_goes_on_from_the_tag_before() -> None:
    crf = a_crf()
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.zero_()
    emission = torch.tensor([5.0, 1.0, 3.0], dtype=torch.float64)
    assert crf.step(emission, None) == 2  # the first tag may not come first
    assert crf.step(torch.tensor([0.0, 1.0, 3.0]), 1) == 1  # nor the third after the second
    assert crf.step(emission, 2) == 0
    assert TagSoftmax().step(emission, None) == 0


def test_other_devices_take_plain_torch() -> None:
    """The compiled code would ask for the numbers of a tensor that has none."""
    emissions = torch.empty(2, TIME, TAGS, device="meta")
    chain = Chain(*(scores.to("meta") for scores in some_chain()))
    lengths = LENGTHS[:2].to("meta")
    assert log_partition(emissions, chain, lengths).shape == (2,)
    assert best_path(emissions, chain, lengths).shape == (2, TIME)
