"""Contexts of words: what a tagger makes of a word given k words before it, and as many after it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.data.labels import UNSEEN
from seqloom.data.lexicon import Lexicon, Numbering
from seqloom.data.sentence_loader import sentence_batch
from seqloom.data.tagged import TagCodec, TaggedFile
from seqloom.errors import RequestError
from seqloom.explain.probes.probe import EXAMPLES, ROWS, Attributable, EndLoss, NetworkProbe, example_number, spread
from seqloom.models.tagger import Tagger
from seqloom.tasks.capabilities import Trained


class TaggedContexts(NetworkProbe):
    """Of words whose tag is known from training. Cut, a sentence keeps a word and the k words on either side of it, or
    before it where the layer reads forward alone."""

    unit: ClassVar[str] = "words"
    score: str = "nats per word"
    answers: NDArray[np.int64]

    def __init__(self, trained: Trained, data: TaggedFile) -> None:
        self.network: Tagger = trained.model
        self.data = data
        self.codec: TagCodec = trained.codec
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
        batch = sentence_batch(rows, self.data.lexicon).to(self.device)
        emissions = self.network(batch.inputs, batch.forms, batch.lengths)
        probabilities = self.network.output.probabilities(emissions, batch.lengths)
        places = torch.from_numpy(self.words - firsts).to(self.device)
        of_tags = probabilities[torch.arange(len(rows), device=self.device), places, torch.from_numpy(self.answers)]
        return -of_tags.double().clamp(min=1e-12).log().numpy(force=True)

    def end_loss(self, network: nn.Module, at_start: bool = False) -> EndLoss:
        """The cross-entropy of the last word's tag (of the first one's, `at_start`), by the emissions alone."""
        lengths = np.array(self.data.lengths)
        numbers = np.argsort(-lengths, kind="stable")[:ROWS]
        batch = sentence_batch(self.data.rows(numbers), self.data.lexicon).to(self.device)
        emissions = network(batch.inputs, batch.forms, batch.lengths)
        sizes = lengths[numbers]
        places = torch.from_numpy(np.zeros_like(sizes) if at_start else sizes - 1)
        rows = torch.arange(len(sizes))
        tags = torch.from_numpy(np.array([row[p] for row, p in zip(self.data.targets(numbers), places, strict=True)]))
        known = tags != UNSEEN
        tagged = emissions[rows, places][known.to(self.device)]
        return EndLoss(F.cross_entropy(tagged, tags[known].to(self.device), reduction="sum"), {"": sizes})

    def example(self, number: int | None, text: str | None) -> Attributable:
        """The tag of the word of a sentence whose tag is least certain."""
        if text is not None:
            words = tuple(text.split())
            if not words:
                raise RequestError("there are no words in the text", where="--text")
            numbering = Numbering()
            row = np.array(numbering.of(words), dtype=np.int64)
            lexicon = Lexicon.of(list(numbering.numbers), self.codec.spelling)
        else:
            place = example_number(number, self.data.num_lines)
            words, row, lexicon = self.data.sentence(place).words, self.data.rows([place])[0], self.data.lexicon
        batch = sentence_batch([row], lexicon).to(self.device)
        with torch.no_grad():
            probabilities = self.network(batch.inputs, batch.forms, None).softmax(2)[0]
        word = int(probabilities.max(1).values.argmin())
        tag = int(probabilities[word].argmax())

        def score(rows: int) -> Tensor:
            emissions = self.network(batch.inputs.expand(rows, -1), batch.forms, batch.lengths)
            return torch.log_softmax(emissions, 2)[:, word, tag].sum()

        return self.attributable(list(words), f"log p({self.codec.labels.names[tag]} | {words[word]})", score)
