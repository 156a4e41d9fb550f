"""Vectors of sequences: a batch is what each is alone, padding changes nothing, and what is unknown is zeros."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqloom.data.tokenizer import EOS, SOS, UNK
from seqloom.decoding import sentence_vectors as driver
from seqloom.decoding.sentence_vectors import sentence_vectors
from seqloom.errors import RequestError
from seqloom.models.architecture import architecture, network_settings
from seqloom.models.encoded_sequence import EncodedSequence, Reads
from seqloom.models.encoder_decoder import EncoderDecoder, Frames, Source, Tokens
from seqloom.models.language_model import LanguageModel
from seqloom.models.pooling_names import POOLINGS, check_pooling
from seqloom.models.sentence_vectors import pooled, poolings
from seqloom.nn.embedding import EmbeddingSettings
from seqloom.nn.layer import layers
from seqloom.nn.output import OutputSettings

COUNTS = 300 // np.arange(1, 31)
SMALL = {"hidden_size": 6, "model_dim": 8, "num_heads": 2, "num_layers": 2, "order": 3, "output_size": 6}
ROWS = [[9, 7, 5, 20], [8], [], [5, 5, 6], [UNK, UNK], [29, UNK]]


def language_model(name: str) -> LanguageModel:
    own = layers[name].settings
    settings = own(**{setting: value for setting, value in SMALL.items() if setting in own.model_fields})  # type: ignore[arg-type]
    return LanguageModel.build(layers[name], settings, EmbeddingSettings(dim=7), OutputSettings(), COUNTS).eval()


def translator(name: str, source: Source = Tokens(30)) -> EncoderDecoder:  # noqa: B008
    kind = network_settings(architecture(name))
    groups = {group: kind.model_fields[group].annotation.model_fields for group in ("encoder", "decoder")}
    sizes = {group: {s: v for s, v in SMALL.items() if s in fields} for group, fields in groups.items()}
    settings = kind.model_validate({"embedding": {"dim": 7}, **sizes})
    return EncoderDecoder.build(architecture(name), settings, COUNTS, source).eval()


MODELS = {
    "lstm": language_model,
    "gru": language_model,
    "transformer": language_model,
    "ffnn": language_model,
    "lstm+attention": translator,
    "bigru": translator,
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Reads:
    torch.manual_seed(3)
    return MODELS[request.param](request.param)


def rows_for(model: Reads) -> list[list[int]]:
    """With what each model reads beside the text."""
    return [[SOS, *row] if isinstance(model, LanguageModel) else [*row, EOS] for row in ROWS]


@pytest.mark.parametrize("pooling", poolings)
def test_a_batch_is_each_alone(model: Reads, pooling: str) -> None:
    rows = rows_for(model)
    together = list(sentence_vectors(model, rows, pooling))
    for row, vector in zip(rows, together, strict=True):
        (alone,) = sentence_vectors(model, [row], pooling)
        np.testing.assert_allclose(vector, alone, atol=1e-5)
        assert vector.dtype == np.float32
        assert vector.shape == together[0].shape


@pytest.mark.parametrize("pooling", poolings)
def test_zeros_where_nothing_is_known(model: Reads, pooling: str) -> None:
    found = [bool(vector.any()) for vector in sentence_vectors(model, rows_for(model), pooling)]
    assert found == [True, True, False, True, False, True]
    assert [vector.any() for vector in sentence_vectors(model, [[], [SOS], [EOS]], pooling)] == [False] * 3


@pytest.mark.parametrize("pooling", poolings)
def test_padding_changes_nothing(model: Reads, pooling: str) -> None:
    rows = rows_for(model)[:2]
    lengths = torch.tensor([len(row) for row in rows])
    for padding in (0, 17):
        ids = torch.full((2, 9), padding)
        for row, wanted in zip(ids, rows, strict=True):
            row[: len(wanted)] = torch.tensor(wanted)
        found = pooled(model.reading(ids, lengths), pooling)
        torch.testing.assert_close(
            found, torch.from_numpy(np.stack(list(sentence_vectors(model, rows, pooling)))), atol=1e-6, rtol=1e-5
        )


def test_what_the_poolings_are() -> None:
    assert tuple(poolings) == POOLINGS
    model = language_model("lstm")
    table = model.embedding.table.weight.detach().numpy()
    ids = [SOS, 9, 7, 5]
    found = {name: next(sentence_vectors(model, [ids], name)) for name in poolings}
    outputs, _ = model.layer(model.embedding(torch.tensor([ids])))
    after = outputs.detach().numpy()[0]
    np.testing.assert_allclose(found["word-mean"], table[ids[1:]].mean(0), atol=1e-6)
    np.testing.assert_allclose(found["word-sum"], table[ids[1:]].sum(0), atol=1e-6)
    np.testing.assert_allclose(found["mean"], after[1:].mean(0), atol=1e-6)
    np.testing.assert_allclose(found["max"], after[1:].max(0), atol=1e-6)
    np.testing.assert_allclose(found["last"], after[-1], atol=1e-6)


def test_the_order_is_kept_through_windows_and_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rng = language_model("gru"), np.random.default_rng(1)
    rows = [[SOS, *rng.integers(4, 30, rng.integers(0, 9)).tolist()] for _ in range(60)]
    whole = np.stack(list(sentence_vectors(model, rows, "mean")))
    monkeypatch.setattr("seqloom.decoding.batching._WINDOW", 7)
    monkeypatch.setattr(driver, "_ELEMENTS_AT_ONCE", 20)
    np.testing.assert_allclose(np.stack(list(sentence_vectors(model, rows, "mean"))), whole, atol=1e-6)


@pytest.mark.parametrize("pooling", poolings)
def test_frames(pooling: str) -> None:
    model = translator("lstm", Frames(3))
    frames = [np.ones((4, 3), np.float32), np.zeros((0, 3), np.float32), np.full((2, 3), 0.5, np.float32)]
    found = list(sentence_vectors(model, frames, pooling))
    assert [vector.any() for vector in found] == [True, False, True]
    np.testing.assert_allclose(found[2], next(sentence_vectors(model, frames[2:], pooling)), atol=1e-6)


def test_reading_keeps_no_gradients(model: Reads) -> None:
    reading: EncodedSequence = model.reading(torch.tensor([[5, 6]]))
    assert not any(part.requires_grad for part in reading)


def test_an_unknown_pooling() -> None:
    with pytest.raises(RequestError, match="no pooling named 'meen'") as error:
        check_pooling("meen")
    assert error.value.hint == "did you mean 'mean'?"
    check_pooling("auto")
