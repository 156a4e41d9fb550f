"""The language model of transcripts: its words and n-grams, its weights fitted on validation data."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from seqloom.data.sound.transcripts import TranscriptSettings
from seqloom.decoding.transcription.transcripts import COMPILED
from seqloom.errors import RequestError, warn
from seqloom.files import read_lines
from seqloom.metrics.transcription import word_edits
from seqloom.models.transcriber import Transcriber
from seqloom.models.word_ngram import WordNgram
from seqloom.tasks.capabilities import Trained
from seqloom_portable.ctc_beam import Fusion
from seqloom_portable.transcripts import CtcDecoder, LogProbs
from seqloom_portable.word_lexicon import WordLexicon

_NGRAM_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
_WORD_BONUSES = (-2.0, -1.0, 0.0, 1.0, 2.0, 4.0)
_RECORDINGS = 300
"""The largest number of validation recordings on which the weights are fitted."""
_PATIENCE_BATCHES = 300
"""After this number of batches without a word, a warning says that CTC is stuck."""


class Language(NamedTuple):
    """Where the words and the n-grams come from."""

    settings: Any
    transcripts: TranscriptSettings

    def vocabulary(self, texts: Sequence[str]) -> list[str]:
        """The known words: those of the list if there is one, else those of all texts."""
        if self.settings.words:
            words = [self.transcripts.normalised(line) for line in read_lines(self.settings.words)]
            known = [word for word in dict.fromkeys(words) if word]
            if not known or any(" " in word for word in known):
                raise RequestError(
                    "a list of words has one a line", where="language.words",
                    got=next((repr(w)[:40] for w in known if " " in w), "no word"), expected="one word or more",
                )  # fmt: skip
            return known
        counts = Counter(word for text in self.lines(texts) for word in text.split())
        return sorted(counts, key=lambda word: (-counts[word], word))

    def lines(self, texts: Sequence[str]) -> Iterator[str]:
        yield from (text for text in texts if text)
        if self.settings.text:
            yield from (line for line in map(self.transcripts.normalised, read_lines(self.settings.text)) if line)

    def ngram(self, texts: Sequence[str]) -> WordNgram | None:
        if not self.settings.order:
            return None
        return WordNgram.estimate(list(self.lines(texts)), self.vocabulary(texts), self.settings.order)


def fusion_of(trained: Trained, ngram_weight: float | None = None, word_bonus: float | None = None) -> Fusion | None:
    """The language model of a search; None if its weights are 0 and all words are allowed. The default weights are the
    fitted ones."""
    model: Transcriber = trained.model
    closed = bool(trained.settings.language.words)
    ngram_weight = float(model.ngram_weight) if ngram_weight is None else ngram_weight
    word_bonus = float(model.word_bonus) if word_bonus is None else word_bonus
    if model.ngram is None or not (ngram_weight or word_bonus or closed):
        return None
    words = model.ngram.known_words()
    return Fusion(WordLexicon.of(trained.codec.tokenizer, words), model.ngram.store(), ngram_weight, word_bonus, closed)


def fit_weights(trained: Trained, log_probs: Sequence[LogProbs], texts: Sequence[str]) -> None:
    """Sets the weights with the fewest word errors on these recordings; of equal ones, the smallest."""
    model: Transcriber = trained.model
    base = fusion_of(trained, 1.0, 0.0)
    if base is None or not any(texts):
        return
    log_probs, texts = log_probs[:_RECORDINGS], texts[:_RECORDINGS]
    codec, settings = trained.codec, trained.settings.decoding

    def errors(ngram_weight: float, word_bonus: float) -> int:
        uses = ngram_weight or word_bonus or base.closed
        fusion = base._replace(ngram_weight=ngram_weight, word_bonus=word_bonus) if uses else None
        width = max(settings.beam_size, 2)
        decoder = CtcDecoder(
            codec.tokenizer, codec.features.step_seconds, width, 1, fusion, settings.pause_seconds, COMPILED
        )
        heard = (decoder.transcripts(row)[0].text for row in log_probs)
        return sum(word_edits(text, hypothesis)[0] for text, hypothesis in zip(texts, heard, strict=True))

    best, weight, bonus = errors(0.0, 0.0), 0.0, 0.0
    # Both at once: an n-gram model alone makes texts shorter, which only a bonus for words makes good.
    for ngram_weight, word_bonus in itertools.product(_NGRAM_WEIGHTS, sorted(_WORD_BONUSES, key=abs)):
        if (count := errors(ngram_weight, word_bonus)) < best:
            best, weight, bonus = count, ngram_weight, word_bonus
    model.ngram_weight.fill_(weight)
    model.word_bonus.fill_(bonus)


def warn_of_blanks(model: Any, references: Sequence[str], hypotheses: Sequence[str], brief: bool) -> None:
    """Warns once if CTC writes nothing but blanks after many batches."""
    if not any(references) or any(hypotheses) or not (model.training_batches >= _PATIENCE_BATCHES or not brief):
        return
    if model.warned_of_blanks:
        return
    model.warned_of_blanks = True
    warn(
        "every transcript is empty: CTC is stuck at blanks",
        got=f"{model.training_batches:,} batches" if model.training_batches else None,
        expected="the first words after some hundreds of batches",
        hint="train longer, or with another training.learning_rate; tokenizer.kind=word is learnt sooner where words "
        "are few, and longer recordings may need features.stride=3",
    )
