"""A SentencePiece model divides texts as the sentencepiece package does."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import pytest

import seqloom
from seqloom.data.library_tokenizer import LibraryTokenizer
from seqloom.data.text_codec import train_tokenizer
from seqloom.data.tokenizer import SPECIALS, TokenizerSettings
from seqloom.errors import RequestError
from tests.support.small_runs import train_small

sentencepiece: Any = pytest.importorskip("sentencepiece")

ROOT = Path(__file__).parent.parent.parent
BOOK = (ROOT / "examples" / "moby_dick.txt").read_text(encoding="utf-8").splitlines()
TRAINING = [line for line in BOOK if line][:300]
KINDS: dict[str, dict[str, Any]] = {
    "unigram": {},
    "bpe": {"model_type": "bpe"},
    "unigram bytes": {"byte_fallback": True},
    "bpe bytes": {"model_type": "bpe", "byte_fallback": True},
    "unigram identity": {"normalization_rule_name": "identity", "add_dummy_prefix": False},
    "unigram spaces": {"remove_extra_whitespaces": False, "split_by_whitespace": False},
    "unigram symbols": {"user_defined_symbols": ["<name>", "Queequeg"]},
    "bpe lowercase": {"model_type": "bpe", "normalization_rule_name": "nmt_nfkc_cf"},
}
HARD = [
    "  two  spaces ",
    "ﬁne ½ Ⅷ ａｂｃ",
    "naïve café Ωmega 漢字",
    "😀 smile",
    "",
    " ",
    "<s> </s> <pad> x",
    "a\tb",
    "x" * 40,
]


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    content = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TRAINING), model_writer=content, vocab_size=400, minloglevel=2, num_threads=1,
        character_coverage=0.999, **KINDS[request.param],
    )  # fmt: skip
    path = tmp_path_factory.mktemp("sentencepiece") / "pieces.model"
    path.write_bytes(content.getvalue())
    return path


def test_texts_are_divided_as_by_the_package(model: Path) -> None:
    package = sentencepiece.SentencePieceProcessor(model_file=str(model))
    ours = train_tokenizer(TRAINING, TokenizerSettings(file=str(model)))
    assert isinstance(ours, LibraryTokenizer)
    names = ours.tokens()
    assert tuple(names[:4]) == SPECIALS
    rng = random.Random(1)
    texts = [*HARD, *rng.sample(BOOK, 400), *("".join(rng.choices("abc ,é漢<>", k=12)) for _ in range(200))]
    for text, ids in zip(texts, ours.encode(texts), strict=True):
        pieces = [
            "<unk>" if package.is_unknown(number) else package.id_to_piece(number) for number in package.encode(text)
        ]
        assert [names[number] for number in ids] == pieces, repr(text)
        if "<unk>" not in pieces:
            assert ours.decode(ids) == package.decode(package.encode(text)), repr(text)


def test_a_run_keeps_it(tmp_path: Path) -> None:
    content = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TRAINING), model_writer=content, vocab_size=300, minloglevel=2, num_threads=1
    )
    path = tmp_path / "pieces.model"
    path.write_bytes(content.getvalue())
    run = train_small(tmp_path / "run", tokenizer__file=str(path))
    path.unlink()
    run = seqloom.load(run.folder)
    assert run.codec.tokenizer.vocab_size > 250
    assert "".join(run.generate("a", max_tokens=3, seed=1)) is not None


@pytest.mark.parametrize("content", [b"", b"{}", b"\x0a\xff\xff\xff\x0f", bytes(range(256)), b"\x0a\x02\x0a\x00"])
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.model").write_bytes(content)
    with pytest.raises(RequestError, match="could not be read"):
        train_tokenizer(TRAINING[:3], TokenizerSettings(file=str(tmp_path / "broken.model")))
