"""What every classifier can do, whatever its layer and its pooling: rows are as if alone, padding changes nothing,
gradients reach everything, and it is built again from its tensors.

Whatever `layouts` names is tested; a new one needs no line here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from seqloom.models.bag_of_words import BagOfWords, BagSettings
from seqloom.models.class_model import ClassModel
from seqloom.models.classifier import Classifier, layout, layouts, network_settings
from seqloom.models.encoder_decoder import Frames, Tokens
from seqloom.models.target_outputs import ClassOutput, LabelSetOutput, NumberOutput, TargetOutput
from seqloom.storage.tensors import load_model_tensors, model_tensors

VOCAB, CHANNELS, CLASSES = 20, 3, 4
SIZES = {"hidden_size": 4, "model_dim": 8, "num_heads": 2, "num_layers": 2}
LENGTHS = torch.tensor([3, 5, 1])
CLASS_IDS = torch.tensor([2, 0, 3])
BAG = BagSettings(min_count=1, order=3)
PATH = Path("saved")


def cases() -> list[Any]:
    """Every name: over tokens with each pooling that it has a choice of, over frames with the first."""
    found = [pytest.param(("bow", "", False), id="bow")]
    for name in layouts():
        output: Any = network_settings(layout(name)).model_fields["output"].annotation
        pools = output.model_fields["pool"].annotation.__args__
        found += [pytest.param((name, pool, False), id=f"{name}-{pool}") for pool in pools]
        found += [pytest.param((name, pools[0], True), id=f"{name}-{pools[0]}-frames")]
    return found


def settings(name: str, pool: str) -> Any:
    kind = network_settings(layout(name))
    fields = kind.model_fields["model"].annotation.model_fields  # type: ignore[union-attr]
    own = {setting: value for setting, value in SIZES.items() if setting in fields}
    return kind.model_validate({"embedding": {"dim": 6}, "model": own, "output": {"pool": pool}})


def texts() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(3)
    lengths = rng.integers(1, 8, 40)
    ids = rng.integers(4, VOCAB, lengths.sum())
    return ids, np.concatenate([[0], np.cumsum(lengths)]), rng.integers(0, CLASSES, 40)


def build(case: tuple[str, str, bool]) -> ClassModel:
    """The network with every parameter away from zero."""
    name, pool, frames = case
    torch.manual_seed(1)
    weights = torch.tensor([0.5, 1.0, 1.5, 1.0])
    if name == "bow":
        ids, offsets, class_ids = texts()
        model: ClassModel = BagOfWords.learn(ids, offsets, (np.arange(40), class_ids), VOCAB, ClassOutput(weights), BAG)
    else:
        source = Frames(CHANNELS) if frames else Tokens(VOCAB)
        model = Classifier.build(layout(name), settings(name, pool), source, ClassOutput(weights))
    model = model.double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture(params=cases())
def case(request: pytest.FixtureRequest) -> tuple[str, str, bool]:
    return request.param


@pytest.fixture
def model(case: tuple[str, str, bool]) -> ClassModel:
    return build(case)


@pytest.fixture
def source(case: tuple[str, str, bool]) -> Tensor:
    return torch.randn(3, 5, CHANNELS, dtype=torch.float64) if case[2] else torch.randint(4, VOCAB, (3, 5))


def test_rows_are_as_if_alone(model: ClassModel, source: Tensor) -> None:
    together = model(source, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model(source[row : row + 1, :length], None)
        torch.testing.assert_close(together.logits[row], alone.logits[0])
        if alone.attention is not None:
            torch.testing.assert_close(together.attention[row, :length], alone.attention[0])
            torch.testing.assert_close(alone.attention.sum(1), torch.ones(1, dtype=torch.float64))
    total = model.loss(source, LENGTHS, CLASS_IDS)
    parts = [model.loss(source[i : i + 1, :n], None, CLASS_IDS[i : i + 1]) for i, n in enumerate(LENGTHS.tolist())]
    torch.testing.assert_close(total, torch.stack(parts).sum())


def test_what_stands_in_padding_changes_nothing(model: ClassModel, source: Tensor) -> None:
    longer = torch.cat([source, source[:, :2]], dim=1)
    padding = torch.arange(7) >= LENGTHS[:, None]
    longer[padding] = float("nan") if source.is_floating_point() else 9
    torch.testing.assert_close(model(longer, LENGTHS).logits, model(source, LENGTHS).logits)
    loss = model.loss(longer, LENGTHS, CLASS_IDS)
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_the_loss_is_of_what_counts(model: ClassModel, source: Tensor) -> None:
    """Weights of classes and temperature: the first in training alone."""
    log_probs = model.answers(source, LENGTHS).logits
    assert not log_probs.requires_grad
    chosen = -log_probs[torch.arange(3), CLASS_IDS]
    some = torch.tensor([True, False, True])
    torch.testing.assert_close(model.loss(source, LENGTHS, CLASS_IDS, some).float(), chosen[some].sum().float())
    assert model.loss(source, LENGTHS, CLASS_IDS, torch.zeros(3, dtype=torch.bool)) == 0
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    weighted = (chosen * model.class_weights[CLASS_IDS]).sum().float()
    torch.testing.assert_close(model.train().loss(source, LENGTHS, CLASS_IDS).float(), weighted, rtol=1e-4, atol=1e-4)
    model.eval().temperature.fill_(3.0)
    torch.testing.assert_close(
        model.answers(source, LENGTHS).logits.float(),
        torch.log_softmax(model(source, LENGTHS).logits.float() / 3, dim=1),
    )


def test_a_step_of_training_reaches_every_parameter(model: ClassModel, source: Tensor) -> None:
    model.train()
    before = model.loss(source, LENGTHS, CLASS_IDS)
    before.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    torch.optim.SGD(model.parameters(), 0.01).step()
    model.zero_grad()
    nothing = model.loss(source, LENGTHS, CLASS_IDS, torch.zeros(3, dtype=torch.bool))
    nothing.backward()  # as on a rank left without rows
    assert nothing == 0
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_a_sequence_without_elements_is_read(model: ClassModel, source: Tensor) -> None:
    assert torch.isfinite(model(source, torch.tensor([3, 0, 1])).logits).all()


def test_a_network_is_built_again_from_its_tensors(
    model: ClassModel, source: Tensor, case: tuple[str, str, bool]
) -> None:
    model.temperature.fill_(2.0)
    name, pool, _ = case
    tensors = model_tensors(model)
    again: ClassModel = (
        BagOfWords.rebuild(BAG, tensors)
        if name == "bow"
        else Classifier.rebuild(layout(name), settings(name, pool), tensors)
    )
    load_model_tensors(again.double(), tensors, PATH)
    torch.testing.assert_close(again.eval().answers(source, LENGTHS), model.answers(source, LENGTHS))


def test_what_is_pooled_is_what_is_read(model: ClassModel, source: Tensor) -> None:
    if not isinstance(model, Classifier):
        pytest.skip("a bag of words has no vectors")
    reading = model.reading(source, LENGTHS)
    real = torch.arange(5) < LENGTHS[:, None]
    assert torch.equal(reading.real, real)
    assert reading.elements.shape[:2] == reading.outputs.shape[:2] == (3, 5)
    assert not reading.outputs.requires_grad


@pytest.mark.parametrize("name", [name for name in layouts() if layout(name).streams and layout(name).layer])
def test_streamed_is_the_whole(name: str) -> None:
    pool = "attention" if layout(name).attends else "max"
    whole = build((name, pool, False))
    tensors = model_tensors(whole)
    source = torch.randint(4, VOCAB, (3, 5))
    for chunk_size in (1, 2, 7):
        streamed = Classifier.rebuild(layout(name), settings(name, pool), tensors, chunk_size).double().eval()
        load_model_tensors(streamed, tensors, PATH)
        torch.testing.assert_close(streamed(source, LENGTHS), whole(source, LENGTHS))


OUTPUTS: dict[str, tuple[TargetOutput, Tensor]] = {
    "class": (ClassOutput(torch.ones(4)), CLASS_IDS),
    "labels": (LabelSetOutput(torch.ones(4)), torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]])),
    "number": (NumberOutput(3.0, 2.0), torch.tensor([1.5, 3.0, -2.0])),
}


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("name", ["bow", *layouts()])
def test_every_model_has_every_target(name: str, kind: str) -> None:
    """Its loss reaches every parameter, its answers are in range, and it is built again from its tensors."""
    target, targets = OUTPUTS[kind]
    if name == "bow":
        ids, offsets, class_ids = texts()
        model: ClassModel = BagOfWords.learn(ids, offsets, (np.arange(40), class_ids), VOCAB, target, BAG)
    else:
        pool = "attention" if layout(name).attends else "max"
        model = Classifier.build(layout(name), settings(name, pool), Tokens(VOCAB), target)
    source = torch.randint(4, VOCAB, (3, 5))
    model.train().loss(source, LENGTHS, targets).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    answers = model.eval().answers(source, LENGTHS).logits
    assert answers.shape == (3, target.size)
    total = model.loss(source, LENGTHS, targets)
    if kind == "class":
        torch.testing.assert_close(answers.exp().sum(1), torch.ones(3))
    elif kind == "labels":
        expected = torch.nn.functional.binary_cross_entropy(answers.exp(), targets, reduction="sum")
        torch.testing.assert_close(total, expected)
    else:
        torch.testing.assert_close(total, ((answers[:, 0] - targets) / 2).square().sum())
    tensors = model_tensors(model)
    pool = "attention" if name != "bow" and layout(name).attends else "max"
    again: ClassModel = (
        BagOfWords.rebuild(BAG, tensors)
        if name == "bow"
        else Classifier.rebuild(layout(name), settings(name, pool), tensors)
    )
    load_model_tensors(again, tensors, PATH)
    torch.testing.assert_close(again.eval().answers(source, LENGTHS).logits, answers)
    assert again.target.kind == kind


def test_one_group_of_texts_may_have_several_labels() -> None:
    """The weights of the n-grams of a bag are those of log-count ratios over every label by itself."""
    ids, offsets, class_ids = texts()
    single = BagOfWords.learn(ids, offsets, (np.arange(40), class_ids), VOCAB, OUTPUTS["class"][0], BAG)
    doubled = BagOfWords.learn(
        ids, offsets, (np.repeat(np.arange(40), 2), np.repeat(class_ids, 2) * 2 + np.tile([0, 1], 40)), VOCAB,
        LabelSetOutput(torch.ones(2 * CLASSES)), BAG,
    )  # fmt: skip
    torch.testing.assert_close(single.feature_weights, doubled.feature_weights)
