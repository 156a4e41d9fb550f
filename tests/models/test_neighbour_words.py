"""A tagger that learns a language model too: what it predicts is what it has not read, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import seqloom
from seqloom.data.batches import Batch, Forms
from seqloom.errors import RequestError
from seqloom.models.tagger import Tagger, TaggerSettings
from seqloom.nn.layer import layers
from seqloom.run import make_settings
from seqloom.storage.tensors import read_tensors
from tests.support.sentences import SMALL_NETWORK, assert_resumes, small_model, train_tagger, write_sentences

WORDS, LETTERS, TAGS = 12, 9, 3
INPUTS = torch.tensor([[0, 1, 2, 3, 4], [5, 2, 0, 0, 0]])
LENGTHS = torch.tensor([5, 2])
FORWARD = [name for name in layers if layers[name].causal]
BOTH_WAYS = ["bilstm", "bigru", "birnn", "bimingru"]


def settings_for(model: str, **changes: object) -> TaggerSettings:
    overrides = {**SMALL_NETWORK, **small_model(model), "words.unknown": 0.0, "language_model_weight": 1.0, **changes}
    settings: TaggerSettings = make_settings("tag", model, overrides)
    return settings


def tagger(model: str, **changes: object) -> Tagger:
    torch.manual_seed(1)
    counts = np.arange(WORDS)
    network = Tagger(layers[model], settings_for(model, **changes), counts, LETTERS, None, TAGS, (), True)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network.double().train()


def forms() -> Forms:
    generator = torch.Generator().manual_seed(2)
    characters = torch.randint(4, LETTERS, (6, 3), generator=generator)
    return Forms(torch.tensor([4, 5, 6, 7, 8, 9]), characters, None)


def word_loss(network: Tagger, inputs: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    assert network.neighbours is not None
    outputs = network.encoder(network.vectors(inputs, forms()), lengths).outputs
    real = None if lengths is None else torch.arange(inputs.shape[1]) < lengths[:, None]
    return network.neighbours.loss(outputs, forms().word_ids[inputs], real)


@pytest.mark.parametrize("model", [*FORWARD, *BOTH_WAYS])
def test_the_loss_is_that_of_each_neighbour(model: str) -> None:
    """Against a softmax for each word of each sentence alone."""
    network = tagger(model).eval()
    neighbours, ids = network.neighbours, forms().word_ids[INPUTS]
    assert neighbours is not None
    assert (neighbours.previous is not None) == (model in BOTH_WAYS)
    expected = torch.zeros((), dtype=torch.float64)
    for row, length in enumerate(LENGTHS.tolist()):
        outputs = network.encoder(network.vectors(INPUTS[row : row + 1, :length], forms())).outputs[0]
        for step in range(length):
            for output, place, half in (
                (neighbours.next, step + 1, outputs[step, : neighbours.forward_size]),
                (neighbours.previous, step - 1, outputs[step, neighbours.forward_size :]),
            ):
                if output is not None and 0 <= place < length:
                    logits = F.linear(output(half[None, None])[0, 0], output.softmax.weight, output.softmax.bias)
                    expected = expected - logits.log_softmax(0)[ids[row, place]]
    torch.testing.assert_close(word_loss(network, INPUTS, LENGTHS), expected)


@pytest.mark.parametrize("model", BOTH_WAYS)
@pytest.mark.parametrize("place", range(5))
def test_a_word_is_not_predicted_from_itself(model: str, place: int) -> None:
    """The outputs that predict a word do not change with it."""
    network = tagger(model)
    assert network.neighbours is not None
    half, other = network.neighbours.forward_size, INPUTS[:1].clone()
    other[0, place] = 5
    before, after = (network.encoder(network.vectors(inputs, forms())).outputs[0] for inputs in (INPUTS[:1], other))
    assert torch.equal(before[:place, :half], after[:place, :half])
    assert torch.equal(before[place + 1 :, half:], after[place + 1 :, half:])
    assert not torch.equal(before[place], after[place])


def test_a_sentence_of_one_word_has_no_neighbours() -> None:
    assert float(word_loss(tagger("bilstm"), INPUTS[:, :1], None).detach()) == 0


@pytest.mark.parametrize("is_beside", [False, True])
def test_the_loss_that_is_reported_is_that_of_the_tags(is_beside: bool) -> None:
    """And the gradient is that of the tags, of their words, and of the words of a batch beside them."""
    network, tags = tagger("bilstm"), torch.tensor([[0, 1, 2, 0, 1], [1, 2, -1, -1, -1]])
    known = torch.arange(5) < LENGTHS[:, None]
    beside = Batch(INPUTS[:, :3], torch.full((2, 3), -1), torch.tensor([3, 1]), forms=forms()) if is_beside else None
    loss = network.multi_task_loss(Batch(INPUTS, tags, LENGTHS, forms=forms(), beside=beside), known)
    alone = network.eval().loss(INPUTS, forms(), tags, known, LENGTHS)
    torch.testing.assert_close(loss, alone)
    words = word_loss(network.train(), INPUTS, LENGTHS)
    if beside is not None:
        words = words + word_loss(network, beside.inputs, beside.lengths)
    weights = [network.forms.words.weight, *network.encoder.layer.parameters()]
    expected = torch.autograd.grad(alone + words, weights)
    for a, b in zip(torch.autograd.grad(loss, weights), expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    ("model", "changes"), [("bitransformer", {}), ("bilstm", {"model.num_layers": 2}), ("cnn", {})]
)
def test_a_layer_that_has_read_the_word(model: str, changes: dict[str, int]) -> None:
    with pytest.raises(RequestError, match="read a word before"):
        tagger(model, **changes)


def test_it_learns_the_words_and_the_tags(tmp_path: Path) -> None:
    run = train_tagger(tmp_path / "run", updates=60, language_model_weight=0.3)
    assert run.summary["valid"]["span_f1"] > 0.9
    again = seqloom.load(tmp_path / "run", threads=1)
    lines = ["Then Ada Stone went to Paris ."]
    assert again.predict(lines) == run.predict(lines)
    data = run.read(str(tmp_path / "sentences.conll"))
    batch = run.task.exact_loader(data, run.trained.settings).batch(0, 0)
    outputs = run.model.encoder(run.model.vectors(batch.inputs, batch.forms), batch.lengths).outputs
    nats = float(run.model.neighbours.loss(outputs, batch.forms.word_ids[batch.inputs], batch.mask()).detach()) / 0.3
    pairs = 2 * (int((batch.targets >= 0).sum()) - batch.num_rows)
    assert (
        nats / pairs < np.log(len(run.model.forms.word_counts)) - 1
    )  # it knows more than that all are equally frequent


def test_stopped_and_resumed_is_unbroken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_resumes(tmp_path, monkeypatch, language_model_weight=0.3)


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.3), (0.3, 0.0), (0.3, 0.1)])
def test_a_run_to_begin_from(before: float, after: float, tmp_path: Path) -> None:
    earlier = train_tagger(tmp_path / "run", updates=4, language_model_weight=before)
    more = write_sentences(tmp_path / "more.conll", seed=8)
    later = seqloom.train(
        "tag", more, out=tmp_path / "later", updates=1, threads=1, quiet=True, initialise_from=earlier,
        settings={"language_model_weight": after, "training.learning_rate": 1e-9},
    )  # fmt: skip
    assert (later.model.neighbours is not None) == (after > 0)
    tensors, grown = (read_tensors(run.folder / "model.safetensors") for run in (earlier, later))
    words = tensors["forms.words.weight"]
    torch.testing.assert_close(grown["forms.words.weight"][: len(words)], words)
    assert len(later.predict(["Ada went home"])) == 1


def test_numbers_have_no_words(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    path.write_text("x,tag\n" + "".join(f"{i % 7},{'ab'[i % 2]}\n" for i in range(90)))
    with pytest.raises(RequestError, match="language_model_weight"):
        seqloom.train("tag", str(path), updates=1, out=tmp_path / "run", settings={"language_model_weight": 0.3})
