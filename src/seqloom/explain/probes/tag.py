"""Contexts of words or steps: what a tagger makes of one given k before it, and as many after it."""

from __future__ import annotations

from typing import ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.data.batches import Batch
from seqloom.data.labels import UNSEEN
from seqloom.data.lexicon import Lexicon, Numbering
from seqloom.data.tag_file import Tagged
from seqloom.data.tagged import TaggedFile
from seqloom.data.tagged_frames import TaggedFrames
from seqloom.errors import RequestError
from seqloom.explain.probes.probe import (
    EXAMPLES,
    ROWS,
    Attributable,
    EndLoss,
    NetworkProbe,
    copies,
    example_number,
    spread,
)
from seqloom.models.tagger import SequenceTagger
from seqloom.tasks.capabilities import Trained


class TaggedContexts(NetworkProbe):
    """Of words whose tag is known from training. Cut, a sentence keeps a word and the k words on either side of it, or
    before it where the layer reads forward alone."""

    unit: ClassVar[str] = "words"
    score: str = "nats per word"
    answers: NDArray[np.int64]

    def __init__(self, trained: Trained, data: Tagged) -> None:
        self.network: SequenceTagger = trained.model
        self.data = data
        self.codec = trained.codec
        self.device = next(trained.model.parameters()).device
        self.causal = self.network.encoder.layer.causal
        places = np.flatnonzero(np.asarray(data.tags) < len(data.labels))
        if not len(places):
            raise RequestError("no word has a tag that is known from training", expected="tags of the training")
        places = places[spread(len(places), EXAMPLES)]
        sentences = np.searchsorted(data.starts, places, side="right") - 1
        self.rows = data.rows(sentences)
        self.words = places - np.asarray(data.starts)[sentences]
        self.answers = np.asarray(data.tags)[places].astype(np.int64)
        self.longest = max(1, max(max(i, len(row) - 1 - i) for i, row in zip(self.words, self.rows, strict=True)))

    @torch.no_grad()
    def losses(self, context: int) -> NDArray[np.float64]:
        firsts = np.maximum(self.words - context, 0)
        lasts = self.words + (1 if self.causal else context + 1)
        rows = [row[a:b] for row, a, b in zip(self.rows, firsts, lasts, strict=True)]
        batch = self.data.batch(rows).to(self.device)
        emissions = self.network(batch.inputs, batch.forms, batch.lengths)
        probabilities = self.network.output.probabilities(emissions, batch.lengths)
        places = torch.from_numpy(self.words - firsts).to(self.device)
        of_tags = probabilities[torch.arange(len(rows), device=self.device), places, torch.from_numpy(self.answers)]
        return -of_tags.double().clamp(min=1e-12).log().numpy(force=True)

    def end_loss(self, network: nn.Module, at_start: bool = False) -> EndLoss:
        """The cross-entropy of the last word's tag (of the first one's, `at_start`), by the emissions alone."""
        lengths = np.array(self.data.lengths)
        numbers = np.argsort(-lengths, kind="stable")[:ROWS]
        batch = self.data.batch(self.data.rows(numbers)).to(self.device)
        emissions = network(batch.inputs, batch.forms, batch.lengths)
        sizes = lengths[numbers]
        places = torch.from_numpy(np.zeros_like(sizes) if at_start else sizes - 1)
        rows = torch.arange(len(sizes))
        tags = torch.from_numpy(np.array([row[p] for row, p in zip(self.data.targets(numbers), places, strict=True)]))
        known = tags != UNSEEN
        tagged = emissions[rows, places][known.to(self.device)]
        return EndLoss(F.cross_entropy(tagged, tags[known].to(self.device), reduction="sum"), {"": sizes})

    def example(self, number: int | None, text: str | None) -> Attributable:
        """The tag of the element whose tag is least certain."""
        names, batch = self._sequence(number, text)
        batch = batch.to(self.device)
        with torch.no_grad():
            probabilities = self.network(batch.inputs, batch.forms, None).softmax(2)[0]
        place = int(probabilities.max(1).values.argmin())
        tag = int(probabilities[place].argmax())

        def score(network: nn.Module, rows: int) -> Tensor:
            emissions = network(copies(batch.inputs, rows, network), batch.forms, batch.lengths)
            return torch.log_softmax(emissions, 2)[:, place, tag]

        return self.attributable(names, f"log p({self.codec.labels.names[tag]} | {names[place]})", score)

    def _sequence(self, number: int | None, text: str | None) -> tuple[list[str], Batch]:
        """The names of the elements of a sequence, and its batch."""
        if text is not None:
            words = text.split()
            if not words:
                raise RequestError("there are no words in the text", where="--text")
            numbering = Numbering()
            row = np.array(numbering.of(words), dtype=np.int64)
            return words, Lexicon.of(list(numbering.numbers), self.codec.spelling).batch([row])
        data = cast(TaggedFile, self.data)
        place = example_number(number, data.num_lines)
        return list(data.sentence(place).words), data.batch(data.rows([place]))


class TaggedStepContexts(TaggedContexts):
    """The same of steps of numbers. Long sequences are cut as in training."""

    unit: ClassVar[str] = "steps"
    score: str = "nats per step"

    def __init__(self, trained: Trained, data: TaggedFrames) -> None:
        super().__init__(trained, data.in_pieces(trained.settings.data.longest_piece))

    def _sequence(self, number: int | None, text: str | None) -> tuple[list[str], Batch]:
        if text is not None:
            raise RequestError("the sequences are numbers, not text", where="--text", got=text, expected="--example N")
        row = self.data.rows([example_number(number, self.data.num_lines)])[0]
        return [f"step {step}" for step in range(1, len(row) + 1)], self.data.batch([row])
