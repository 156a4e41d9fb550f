"""Translators and language models in the format of CTranslate2; they need the package ctranslate2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder
from seqloom_portable.language_model import LineScore
from seqloom_portable.specials import EOS, PAD, SOS, SPECIALS, UNK
from seqloom_portable.tokens import open_tokenizer

_TOKENS_AT_ONCE = 1_024


def _library() -> Any:
    try:
        import ctranslate2
    except ModuleNotFoundError:
        raise PortableError("this model needs ctranslate2: pip install ctranslate2") from None
    return ctranslate2


class CTranslate2Translator:
    """Searches as CTranslate2 does; its rule for ending a beam search differs from Seqloom's."""

    scores_pairs = has_beam = True

    def __init__(self, folder: Folder, threads: int = 1) -> None:
        self.folder, self.settings = folder, folder.manifest["decoding"]
        names = folder.manifest["tokenizers"]
        self.source, self.target = (open_tokenizer(folder.path / names[side]) for side in ("source", "target"))
        compute_type = "int8" if folder.manifest["int8"] else "float32"
        self.engine = _library().Translator(
            str(folder.path), device="cpu", compute_type=compute_type, inter_threads=1, intra_threads=threads
        )

    def predict(
        self, lines: Sequence[str], beam_size: int | None = None, length_penalty: float | None = None
    ) -> list[str]:
        """The best translation of each line; an empty line gives an empty translation."""
        sources = [[*ids, EOS] for ids in self.source.encode(lines)]
        translations = [""] * len(lines)
        places = [place for place, ids in enumerate(sources) if len(ids) > 1]
        targets = self.search([sources[place] for place in places], beam_size, length_penalty)
        for place, ids in zip(places, targets, strict=True):
            translations[place] = self.target.decode(ids)
        return translations

    def search(
        self, sources: Sequence[Sequence[int]], beam_size: int | None = None, length_penalty: float | None = None
    ) -> list[list[int]]:
        """The token ids of the best target of each source, without special tokens."""
        defaults = self.settings
        automatic = max((2 * len(source) + 20 for source in sources), default=1)
        results = self.engine.translate_batch(
            [[self.source.token(i) for i in source] for source in sources],
            beam_size=defaults["beam_size"] if beam_size is None else beam_size,
            length_penalty=defaults["length_penalty"] if length_penalty is None else length_penalty,
            max_decoding_length=defaults["max_length"] or automatic,
            suppress_sequences=[[SPECIALS[PAD]], [SPECIALS[SOS]]],
            min_decoding_length=0,
            disable_unk=True,
            max_batch_size=_TOKENS_AT_ONCE,
            batch_type="tokens",
        )
        return [self.target.ids_of(result.hypotheses[0]) for result in results]

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[LineScore]:
        """The log-probability of each target given its source."""
        sources, targets = (self._tokens(side, pairs) for side in (0, 1))
        results = self.engine.score_batch([[*source, SPECIALS[EOS]] for source in sources], targets)
        return [_line_score(result, target) for result, target in zip(results, targets, strict=True)]

    def _tokens(self, side: int, pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
        tokenizer = self.target if side else self.source
        return [[tokenizer.token(i) for i in ids] for ids in tokenizer.encode([pair[side] for pair in pairs])]


class CTranslate2LanguageModel:
    def __init__(self, folder: Folder, threads: int = 1) -> None:
        self.folder = folder
        self.tokenizer = open_tokenizer(folder.path / "tokenizer.json")
        self.first_token = SPECIALS[SOS if folder.manifest["mode"] == "lines" else EOS]
        compute_type = "int8" if folder.manifest["int8"] else "float32"
        self.engine = _library().Generator(
            str(folder.path), device="cpu", compute_type=compute_type, inter_threads=1, intra_threads=threads
        )

    def score(self, lines: Sequence[str]) -> list[LineScore]:
        """The log-probability of each line, independent of the other lines."""
        rows = [[self.tokenizer.token(i) for i in ids] for ids in self.tokenizer.encode(lines)]
        batch = [[self.first_token, *row, SPECIALS[EOS]] for row in rows]
        results = self.engine.score_batch(batch, max_batch_size=_TOKENS_AT_ONCE, batch_type="tokens")
        return [_line_score(result, row) for result, row in zip(results, rows, strict=True)]


def _line_score(result: Any, tokens: Sequence[str]) -> LineScore:
    return LineScore(float(sum(result.log_probs)), len(tokens) + 1, sum(token == SPECIALS[UNK] for token in tokens))
