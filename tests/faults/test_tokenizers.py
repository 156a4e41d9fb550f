"""Tokenizers over odd texts, and over broken files of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqloom.data.text_codec import load_tokenizer, train_tokenizer
from seqloom.data.tokenizer import EOS, PAD, SOS, TokenizerSettings
from tests.faults.campaign import campaign, random_for, rounds
from tests.faults.mutation import mutated
from tests.faults.samples import ALL_CONTENTS

KINDS = ("character", "word", "bpe", "unigram")
SETTINGS = [TokenizerSettings(kind=kind, lowercase=low) for kind in KINDS for low in (False, True)]  # type: ignore[arg-type]
TEXT = ["It was a cat, only a cat.", "n\u00e4ive \u8a9e <unk> \u2581"] * 4
NAMES = [f"{settings.kind} {'lowercase' if settings.lowercase else 'as it is'}" for settings in SETTINGS]


@pytest.mark.parametrize("settings", SETTINGS, ids=NAMES)
def test_odd_texts(settings: TokenizerSettings) -> None:
    """Whatever a text holds, it is encoded without the special tokens, and pieces give it back."""
    tokenizer = train_tokenizer(TEXT, settings)
    before = len(campaign.failures)
    is_exact = settings.kind in ("bpe", "unigram") and not settings.lowercase

    def work(line: str) -> None:
        (ids,) = tokenizer.encode([line])
        assert not {PAD, SOS, EOS} & set(ids)
        text = tokenizer.decode(ids)
        assert text == line or not is_exact

    for number in rounds(0.1 / len(SETTINGS), per_second=3000):
        content = mutated("\n".join(TEXT).encode(), random_for(repr(settings), number), ALL_CONTENTS)
        line = content.decode("utf-8", "replace").replace("\n", " ")
        campaign.attempt(f"tokenizer {settings.kind}", number, content, lambda line=line: work(line))
    campaign.check(before)


@pytest.mark.parametrize("settings", SETTINGS[::2], ids=KINDS)
def test_broken_files_of_tokenizers(settings: TokenizerSettings, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    train_tokenizer(TEXT, settings).save(path)
    content = path.read_bytes()
    before = len(campaign.failures)

    def work() -> None:
        tokenizer = load_tokenizer(path)
        for ids in tokenizer.encode([*TEXT, ""]):
            tokenizer.decode(ids)
        tokenizer.tokens()

    for number in rounds(0.1 / len(KINDS), per_second=1000):
        broken = mutated(content, random_for(f"files of {settings.kind}", number), [content])
        path.write_bytes(broken)
        campaign.attempt(f"tokenizer.json of {settings.kind}", number, broken, work)
    campaign.check(before)
