"""What every encoder-decoder can do, whatever reads and writes: losses, scores and single steps agree, alone or among
ragged rows, with one hypothesis a source or several.

Whatever `architectures` names is tested; a new one needs no line here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from seqloom.models.architecture import architecture, architectures, network_settings
from seqloom.models.encoder_decoder import EncoderDecoder, Frames, SharedTokens, Source, Tokens
from seqloom.nn.layer import select_rows, state_tensors

SIZES = {"encoder": {"hidden_size": 4, "model_dim": 8}, "decoder": {"hidden_size": 8, "model_dim": 8}}
ALL = {"num_heads": 2, "num_layers": 2}
COUNTS = 3_000 // np.arange(1, 81)
SOURCE_VOCAB, FRAME_SIZE = 20, 3
SOURCE = Tokens(SOURCE_VOCAB)
ATTENTION = [("score", "dot"), ("score", "additive"), ("input_feeding", True), ("skip_connection", True)]
DECODER = [("initial_state", "zeros"), ("window", 2)]


class Case(NamedTuple):
    """A model name, and what its settings are besides the sizes: (group, name, value)."""

    name: str
    changes: tuple[tuple[str, str, Any], ...] = ()


def cases() -> list[Any]:
    """Every name, with the adaptive softmax too, and with each option that it has a setting for."""
    cases = []
    for name in architectures():
        groups = network_settings(architecture(name)).model_fields
        options = [("output", "kind", "adaptive"), ("output", "skip_connection", True)]
        options += [("attention", *option) for option in ATTENTION if "attention" in groups]
        decoder_fields = groups["decoder"].annotation.model_fields
        options += [("decoder", *option) for option in DECODER if option[0] in decoder_fields]
        cases.append(pytest.param(Case(name), id=name))
        cases += [pytest.param(Case(name, (o,)), id=f"{name}-{o[0]}.{o[1]}={o[2]}") for o in options]
    return cases


def settings(case: Case) -> Any:
    kind = network_settings(architecture(case.name))
    values: dict[str, dict[str, Any]] = {"embedding": {"dim": 7}, "output": {"kind": "full"}, "attention": {}}
    for group, sizes in SIZES.items():
        fields = kind.model_fields[group].annotation.model_fields
        values[group] = {name: value for name, value in (sizes | ALL).items() if name in fields}
    for group, name, value in case.changes:
        values[group][name] = value
    return kind.model_validate({group: value for group, value in values.items() if group in kind.model_fields})


def build(case: Case, source: Source = SOURCE) -> EncoderDecoder:
    """The network with every parameter away from zero."""
    torch.manual_seed(1)
    model = EncoderDecoder.build(architecture(case.name), settings(case), COUNTS, source).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture(params=cases())
def model(request: pytest.FixtureRequest) -> EncoderDecoder:
    return build(request.param)


@pytest.fixture(params=architectures())
def plain(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


class Pairs(NamedTuple):
    source: Tensor
    source_lengths: Tensor
    inputs: Tensor
    targets: Tensor
    lengths: Tensor

    @property
    def mask(self) -> Tensor:
        return torch.arange(self.inputs.shape[1]) < self.lengths[:, None]

    def alone(self, row: int) -> Pairs:
        """The pair without the padding of the others."""
        size, time = int(self.source_lengths[row]), int(self.lengths[row])
        rows = slice(row, row + 1)
        source, inputs, targets = self.source[rows, :size], self.inputs[rows, :time], self.targets[rows, :time]
        return Pairs(source, self.source_lengths[rows], inputs, targets, self.lengths[rows])


@pytest.fixture
def pairs() -> Pairs:
    source, source_lengths = torch.randint(4, SOURCE_VOCAB, (3, 5)), torch.tensor([3, 5, 1])
    inputs, targets = torch.randint(80, (3, 4)), torch.randint(80, (3, 4))
    return Pairs(source, source_lengths, inputs, targets, torch.tensor([4, 1, 3]))


def loss(model: EncoderDecoder, pairs: Pairs) -> Tensor:
    return model.loss(*pairs, pairs.mask)


def gradients(model: EncoderDecoder) -> dict[str, Tensor]:
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return gradients


def steps(model: EncoderDecoder, encoded: Any, token_ids: Tensor) -> tuple[list[Tensor], list[Tensor | None], Any]:
    """The distributions and attention after each of `token_ids` (batch, rows, time), and the state in the end."""
    state, distributions, looked = model.initial_state(encoded, token_ids.shape[1]), [], []
    for step in token_ids.unbind(2):
        distribution, state, weights = model.decode_next(step, state, encoded)
        distributions.append(distribution)
        looked.append(weights)
    return distributions, looked, state


def test_the_loss_is_the_scores_of_what_counts(model: EncoderDecoder, pairs: Pairs) -> None:
    encoded = model.encode(pairs.source, pairs.source_lengths)
    scores = model.log_prob(encoded, pairs.inputs, pairs.targets, pairs.lengths)
    assert not scores.requires_grad
    torch.testing.assert_close(loss(model, pairs), -scores[pairs.mask].sum())


def test_ragged_pairs_are_as_if_alone(model: EncoderDecoder, pairs: Pairs) -> None:
    total = loss(model, pairs)
    total.backward()
    together = gradients(model)
    alone = sum(model.loss(p.source, None, p.inputs, p.targets) for p in map(pairs.alone, range(3)))
    alone.backward()
    torch.testing.assert_close(total, alone)
    torch.testing.assert_close(together, gradients(model))


def test_what_stands_in_padding_changes_nothing(model: EncoderDecoder, pairs: Pairs) -> None:
    longer = torch.cat([pairs.source, torch.full((3, 2), 7)], dim=1)
    longer[torch.arange(7) >= pairs.source_lengths[:, None]] = 9
    inputs = torch.where(pairs.mask, pairs.inputs, 11)
    other = pairs._replace(source=longer, inputs=inputs)
    torch.testing.assert_close(loss(model, other), loss(model, pairs))
    first, second = model.encode(*pairs[:2]), model.encode(*other[:2])
    for step, other_step in zip(*(steps(model, e, pairs.inputs[:, None])[0] for e in (first, second)), strict=True):
        torch.testing.assert_close(step, other_step)


def test_single_steps_say_what_the_whole_says(model: EncoderDecoder, pairs: Pairs) -> None:
    encoded = model.encode(pairs.source, pairs.source_lengths)
    scores = model.log_prob(encoded, pairs.inputs, pairs.targets)
    for step, distribution in enumerate(steps(model, encoded, pairs.inputs[:, None])[0]):
        assert not distribution.requires_grad
        torch.testing.assert_close(distribution.exp().sum(2), torch.ones(3, 1, dtype=torch.float64))
        target_scores = distribution[:, 0].gather(1, pairs.targets[:, step, None]).squeeze(1)
        torch.testing.assert_close(target_scores, scores[:, step])


def test_hypotheses_of_one_source_are_each_as_if_alone(model: EncoderDecoder, pairs: Pairs) -> None:
    token_ids = torch.randint(80, (3, 3, 4))
    encoded = model.encode(pairs.source, pairs.source_lengths)
    together, looked, _ = steps(model, encoded, token_ids)
    for row in range(3):
        alone, looked_alone, _ = steps(model, encoded, token_ids[:, row : row + 1])
        for step in range(4):
            torch.testing.assert_close(together[step][:, row : row + 1], alone[step])
            if looked[step] is not None:
                torch.testing.assert_close(looked[step][:, row : row + 1], looked_alone[step])


def test_chosen_hypotheses_and_sources_go_on_where_they_were(model: EncoderDecoder, pairs: Pairs) -> None:
    token_ids, following = torch.randint(80, (3, 2, 2)), torch.randint(80, (3, 2))
    encoded = model.encode(pairs.source, pairs.source_lengths)
    _, _, state = steps(model, encoded, token_ids)
    whole, _, _ = model.decode_next(following, state, encoded)
    assert all(tensor.shape[0] == 3 for tensor in state_tensors(encoded))
    assert all(tensor.shape[0] == 6 for tensor in state_tensors(state))
    sources = torch.tensor([2, 0])
    rows = torch.tensor([5, 4, 1, 1])  # of the third source both, the other way round; of the first the second, twice
    next_scores, _, _ = model.decode_next(
        following.flatten()[rows].view(2, 2), select_rows(state, rows), select_rows(encoded, sources)
    )
    torch.testing.assert_close(next_scores.flatten(0, 1), whole.flatten(0, 1)[rows])


def test_attention_is_shared_out_among_what_is_real(model: EncoderDecoder, pairs: Pairs) -> None:
    encoded = model.encode(pairs.source, pairs.source_lengths)
    real = torch.arange(5) < pairs.source_lengths[:, None]
    for weights in steps(model, encoded, pairs.inputs[:, None])[1]:
        if weights is None:
            pytest.skip("the model has no attention")
        assert weights.shape == (3, 1, 5)
        torch.testing.assert_close(weights.sum(2), torch.ones(3, 1, dtype=torch.float64))
        assert not weights[:, 0][~real].any()
        assert (weights[:, 0][real] > 0).all()


def test_gradients_reach_every_parameter(model: EncoderDecoder, pairs: Pairs) -> None:
    loss(model.train(), pairs).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    idle = [name for name, p in model.named_parameters() if p.grad is not None and not p.grad.any()]
    assert idle == []


def test_a_batch_of_nothing_costs_nothing(plain: Case, pairs: Pairs) -> None:
    """As on a rank left without rows: the loss is zero, and gradients are there all the same."""
    model = build(plain)
    nothing = model.loss(*pairs, torch.zeros_like(pairs.mask))
    nothing.backward()
    assert nothing == 0
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_a_source_without_elements_is_read(plain: Case, pairs: Pairs) -> None:
    model, lengths = build(plain), torch.tensor([3, 0, 1])
    total = loss(model, pairs._replace(source_lengths=lengths))
    total.backward()
    assert torch.isfinite(total)
    assert all(torch.isfinite(gradient).all() for gradient in gradients(model).values())


def test_a_source_may_be_frames_and_their_padding_anything(plain: Case, pairs: Pairs) -> None:
    model = build(plain, Frames(FRAME_SIZE))
    frames = torch.randn(3, 5, FRAME_SIZE, dtype=torch.float64)
    real = torch.arange(5) < pairs.source_lengths[:, None]
    expected = loss(model, pairs._replace(source=frames))
    alone = sum(loss(model, pairs._replace(source=frames).alone(row)) for row in range(3))
    torch.testing.assert_close(expected, alone)
    noisy = frames.masked_fill(~real[:, :, None], float("nan"))
    value = loss(model, pairs._replace(source=noisy))
    value.backward()
    torch.testing.assert_close(value, expected)
    assert all(torch.isfinite(gradient).all() for gradient in gradients(model).values())


def test_a_shared_vocabulary_has_one_table(plain: Case, pairs: Pairs) -> None:
    separate, shared = build(plain), build(plain, SharedTokens())
    assert shared.encoder.read is shared.embedding
    assert separate.encoder.read is not separate.embedding
    assert shared.output.softmax.weight is shared.embedding.table.weight
    loss(shared, pairs).backward()
    grown = sum(p.numel() for p in separate.parameters()) - sum(p.numel() for p in shared.parameters())
    assert grown == SOURCE_VOCAB * 7


@pytest.mark.parametrize("source", [Tokens(SOURCE_VOCAB), SharedTokens(), Frames(FRAME_SIZE)], ids=str)
def test_a_network_is_built_again_from_its_tensors(plain: Case, source: Source, pairs: Pairs) -> None:
    model = build(plain, source)
    saved = dict(model.named_parameters()) | dict(model.named_buffers())  # a shared one once, by its first name
    other = EncoderDecoder.rebuild(architecture(plain.name), settings(plain), saved).double().eval()
    other_tensors = dict(other.named_parameters()) | dict(other.named_buffers())
    assert other_tensors.keys() == saved.keys()
    with torch.no_grad():
        for name, tensor in other_tensors.items():
            tensor.copy_(saved[name])
    inputs = pairs
    if isinstance(source, Frames):
        inputs = pairs._replace(source=torch.randn(3, 5, FRAME_SIZE, dtype=torch.float64))
    assert torch.equal(loss(other, inputs), loss(model, inputs))


class TestScheduledSampling:
    def model(self, case: Case, rate: float) -> EncoderDecoder:
        return build(case._replace(changes=(("decoder", "scheduled_sampling", rate),)))

    def test_a_rate_of_zero_is_the_plain_loss(self, plain: Case, pairs: Pairs) -> None:
        torch.testing.assert_close(loss(self.model(plain, 0.0).train(), pairs), loss(build(plain), pairs))

    def test_it_is_for_training_alone(self, plain: Case, pairs: Pairs) -> None:
        torch.testing.assert_close(loss(self.model(plain, 1.0), pairs), loss(build(plain), pairs))

    def test_at_a_rate_of_one_all_inputs_but_the_first_are_predictions(self, plain: Case, pairs: Pairs) -> None:
        model = self.model(plain, 1.0)
        encoded = model.encode(pairs.source, pairs.source_lengths)
        predicted = torch.cat([d.argmax(2) for d in steps(model, encoded, pairs.inputs[:, None])[0]], dim=1)
        inputs = torch.cat([pairs.inputs[:, :1], predicted[:, :-1]], dim=1)
        expected = loss(model, pairs._replace(inputs=inputs))
        value = loss(model.train(), pairs)
        torch.testing.assert_close(value, expected)
        value.backward()
        assert gradients(model)


def test_labels_are_smoothed_in_training_alone(pairs: Pairs) -> None:
    smoothed = build(Case("lstm+attention", (("output", "label_smoothing", 0.1),)))
    plain = loss(build(Case("lstm+attention")), pairs)
    torch.testing.assert_close(loss(smoothed, pairs), plain)
    assert not torch.isclose(loss(smoothed.train(), pairs), plain)


@pytest.mark.parametrize("name", ["lstm+attention", "transformer"])
def test_mixed_precision_is_close(name: str, pairs: Pairs) -> None:
    model = build(Case(name)).float()
    expected = loss(model, pairs)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(model, pairs)
        value.backward()
        encoded = model.encode(pairs.source, pairs.source_lengths)
        distributions, _, _ = steps(model, encoded, pairs.inputs[:, None])
    torch.testing.assert_close(value, expected, rtol=0.05, atol=0.1)
    assert all(torch.isfinite(distribution).all() for distribution in distributions)
