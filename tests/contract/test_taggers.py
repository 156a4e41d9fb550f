"""What every tagger can do, whatever layer goes along the words or steps and whatever makes tags of it: losses and
answers of a sequence are the same alone and among others, and one by one where nothing after an element is needed.

Whatever layer is registered is tested; a new one needs no line here.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from seqloom.data.batches import Batch, Forms
from seqloom.data.labels import UNSEEN
from seqloom.models.tagger import FrameTagger, SequenceTagger, Tagger, TaggerSettings, rebuild_tagger
from seqloom.nn.layer import layers
from seqloom.run import make_settings
from seqloom.tasks import tasks
from tests.support.sentences import SMALL_NETWORK, small_model

TASK = tasks["tag"]
TAGS, WORDS, LETTERS, CHANNELS = 5, 12, 9, 3
COUNTS = np.arange(WORDS)
LENGTHS = torch.tensor([4, 1, 3])
CAUSAL = [name for name in layers if layers[name].causal]
PARALLEL = [name for name in layers if not layers[name].causal]


class Case(NamedTuple):
    name: str
    output: str
    reads: Literal["words", "numbers"] = "words"

    def settings(self, **changes: Any) -> Any:
        overrides = {**SMALL_NETWORK, **small_model(self.name), "output": self.output}
        return make_settings("tag", self.name, {**overrides, **{k.replace("__", "."): v for k, v in changes.items()}})

    def build(self, **changes: Any) -> Tagger | FrameTagger:
        """The network with every parameter away from zero; the second tag may not follow the first."""
        torch.manual_seed(1)
        legal = np.ones((TAGS + 1, TAGS + 1), dtype=np.bool_)
        legal[0, 1] = False
        settings: TaggerSettings = self.settings(**changes)
        model: Tagger | FrameTagger
        transitions = legal if self.output == "crf" else None
        if self.reads == "numbers":
            model = FrameTagger(layers[self.name], settings, CHANNELS, transitions, TAGS)
        else:
            model = Tagger(layers[self.name], settings, COUNTS, LETTERS, transitions, TAGS)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
        return model.double().eval()


def cases(names: Any) -> list[Any]:
    """Words with each output; what reads numbers differs in its first layer alone."""
    kinds = ("softmax", "words"), ("crf", "words"), ("softmax", "numbers")
    return [pytest.param(Case(name, *kind), id="-".join((name, *kind))) for name in names for kind in kinds]


@pytest.fixture(params=cases(layers))
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def batch(request: pytest.FixtureRequest) -> Batch:
    """Three sentences of six words, or three sequences of numbers."""
    if "case" in request.fixturenames and request.getfixturevalue("case").reads == "numbers":
        targets = torch.randint(2, TAGS, (3, 4)).masked_fill(torch.arange(4) >= LENGTHS[:, None], UNSEEN)
        return Batch(torch.randn(3, 4, CHANNELS, dtype=torch.float64), targets, LENGTHS)
    inputs = torch.tensor([[0, 3, 5, 1], [2, 0, 0, 0], [4, 3, 5, 0]])
    characters = torch.randint(4, LETTERS, (6, 5))
    forms = Forms(torch.tensor([4, 1, 7, 9, 11, 1]), characters, torch.tensor([5, 2, 1, 3, 1, 4]))
    targets = torch.randint(2, TAGS, (3, 4)).masked_fill(torch.arange(4) >= LENGTHS[:, None], UNSEEN)
    return Batch(inputs, targets, LENGTHS, forms=forms)


def alone(batch: Batch, row: int) -> Batch:
    """One sentence without the padding and the words of the others."""
    length = int(LENGTHS[row])
    if batch.forms is None:
        return Batch(batch.inputs[row : row + 1, :length], batch.targets[row : row + 1, :length])
    distinct, inputs = batch.inputs[row, :length].unique(return_inverse=True)
    word_ids, characters, lengths = (part[distinct] for part in batch.forms if part is not None)
    forms = Forms(word_ids, characters[:, : int(lengths.max())], lengths)
    return Batch(inputs[None], batch.targets[row : row + 1, :length], forms=forms)


def loss(model: SequenceTagger, batch: Batch) -> Tensor:
    return model.loss(batch.inputs, batch.forms, batch.targets, batch.targets != UNSEEN, batch.lengths)


def tag_next(
    model: SequenceTagger, element: Tensor, forms: Forms | None, state: Any, before: int | None
) -> tuple[int, Any]:
    """`element`: the number of a word in `forms`, or the numbers of a step."""
    if forms is None:
        return model.tag_next(model.vectors(element[None, None], None), state, before)
    form = Forms(*(part[element][None] for part in forms if part is not None))
    return model.tag_next(model.vectors(torch.zeros(1, 1, dtype=torch.long), form), state, before)


def gradients(model: SequenceTagger) -> dict[str, Tensor]:
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return gradients


def test_sentences_are_as_if_alone(case: Case, batch: Batch) -> None:
    model = case.build()
    total = loss(model, batch)
    total.backward()
    together = gradients(model)
    by_row = sum(loss(model, alone(batch, row)) for row in range(3))
    by_row.backward()  # type: ignore[union-attr]
    torch.testing.assert_close(total, by_row)
    torch.testing.assert_close(together, gradients(model))
    tags, probabilities = model.tag(batch.inputs, batch.forms, batch.lengths)
    for row, length in enumerate(LENGTHS.tolist()):
        row_alone = alone(batch, row)
        tags_alone, probabilities_alone = model.tag(row_alone.inputs, row_alone.forms)
        assert torch.equal(tags_alone[0], tags[row, :length])
        torch.testing.assert_close(probabilities_alone[0], probabilities[row, :length])


def test_padding_changes_nothing(case: Case, batch: Batch) -> None:
    model, real = case.build(), torch.arange(4) < LENGTHS[:, None]
    if batch.forms is None:
        other = batch._replace(inputs=batch.inputs.where(real[:, :, None], 2))
    else:
        letters = torch.arange(5) < batch.forms.lengths[:, None]
        forms = batch.forms._replace(characters=batch.forms.characters.where(letters, 6))
        other = batch._replace(inputs=batch.inputs.where(real, 2), forms=forms)
    torch.testing.assert_close(loss(model, other), loss(model, batch))
    tagged, again = (model.tag(sentences.inputs, sentences.forms, sentences.lengths) for sentences in (batch, other))
    assert torch.equal(tagged[0][real], again[0][real])
    torch.testing.assert_close(tagged[1][real], again[1][real])


def test_gradients_reach_every_parameter(case: Case, batch: Batch) -> None:
    model = case.build().train()
    loss(model, batch).backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_a_batch_of_nothing_costs_nothing(case: Case, batch: Batch) -> None:
    """As on a rank left without rows: the loss is zero, and gradients are there all the same."""
    model = case.build()
    nothing = loss(model, batch._replace(targets=torch.full_like(batch.targets, UNSEEN)))
    nothing.backward()
    torch.testing.assert_close(nothing, torch.zeros_like(nothing))
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_the_shards_of_all_ranks_are_the_batch(case: Case, batch: Batch) -> None:
    """A fourth rank has no row, and one that does not count."""
    model = case.build()
    losses = [TASK.loss(model, batch.shard(rank, 4), None)[0] for rank in range(4)]
    whole, _ = TASK.loss(model, batch, None)
    torch.testing.assert_close(sum(loss.sum for loss in losses), whole.sum)
    assert sum(int(loss.count) for loss in losses) == int(whole.count) == int(LENGTHS.sum())


def test_a_network_is_built_again_from_its_tensors(case: Case, batch: Batch) -> None:
    model = case.build()
    saved = model.state_dict()
    other = rebuild_tagger(layers[case.name], case.settings(output="auto"), saved).double().eval()
    other.load_state_dict(saved)
    assert torch.equal(loss(other, batch), loss(model, batch))


def test_a_reading_is_of_what_is_real(case: Case, batch: Batch) -> None:
    model = case.build()
    together = model.reading(batch.inputs, batch.forms, batch.lengths)
    assert not together.outputs.requires_grad
    for row, length in enumerate(LENGTHS.tolist()):
        row_alone = alone(batch, row)
        reading_alone = model.reading(row_alone.inputs, row_alone.forms)
        assert together.real[row].sum() == length
        torch.testing.assert_close(reading_alone.elements[0], together.elements[row, :length])
        torch.testing.assert_close(reading_alone.outputs[0], together.outputs[row, :length])
        torch.testing.assert_close(reading_alone.summary[0], together.summary[row])


@pytest.mark.parametrize("case", cases(CAUSAL))
def test_word_by_word_is_the_whole_at_once(case: Case, batch: Batch) -> None:
    """With a softmax the tags are the same; with a CRF each is the best after the one decided before."""
    model, sentence = case.build(), alone(batch, 0)
    emissions = model(sentence.inputs, sentence.forms)[0].detach()
    state, before, expected = None, None, []
    for word, emission in zip(sentence.inputs[0], emissions, strict=True):
        expected.append(model.output.step(emission, expected[-1] if expected else None))
        before, state = tag_next(model, word, sentence.forms, state, before)
        assert before == expected[-1]
    if case.output == "softmax":
        assert expected == model.tag(sentence.inputs, sentence.forms)[0][0].tolist()


@pytest.mark.parametrize("case", cases(PARALLEL))
def test_what_needs_the_future_does_not_decide_at_once(case: Case, batch: Batch) -> None:
    sentence = alone(batch, 1)
    with pytest.raises(AssertionError, match="needs the later words"):
        tag_next(case.build(), sentence.inputs[0, 0], sentence.forms, None, None)


def test_rare_words_become_unknown_in_training_alone(batch: Batch) -> None:
    """At a rate that is almost one; the words that stand for themselves no longer matter then."""
    model = Case("bilstm", "softmax").build(words__unknown=1e6)
    plain = loss(model, batch)
    torch.testing.assert_close(plain, loss(Case("bilstm", "softmax").build(words__unknown=0.0), batch))
    replaced = loss(model.train(), batch)
    assert batch.forms is not None
    unknown = batch._replace(forms=batch.forms._replace(word_ids=torch.ones_like(batch.forms.word_ids)))
    torch.testing.assert_close(replaced, loss(model.eval(), unknown))
    assert not torch.isclose(replaced, plain)


@pytest.mark.parametrize("layer", ["gru", "birnn", "mingru"])
def test_letters_are_read_by_any_recurrent_layer(layer: str, batch: Batch) -> None:
    model = Case("lstm", "crf").build(characters__layer=layer)
    torch.testing.assert_close(loss(model, batch), sum(loss(model, alone(batch, row)) for row in range(3)))


@pytest.mark.parametrize("output", ["softmax", "crf"])
def test_mixed_precision_is_close(output: str, batch: Batch) -> None:
    model = Case("bilstm", output).build().float()
    expected = loss(model, batch)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(model, batch)
        value.backward()
        _, probabilities = model.tag(batch.inputs, batch.forms, batch.lengths)
    torch.testing.assert_close(value, expected, rtol=0.05, atol=0.1)
    assert torch.isfinite(probabilities).all()
