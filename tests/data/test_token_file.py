"""Token files: what was written is what is read, and a write that fails leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqloom.data.text_codec import train_tokenizer
from seqloom.data.token_file import TokenFile, TokenFileWriter, batches
from seqloom.data.tokenizer import EOS, UNK, Tokenizer, TokenizerSettings
from seqloom.errors import RequestError


@pytest.fixture
def tokenizer(lines: list[str]) -> Tokenizer:
    return train_tokenizer(lines, TokenizerSettings(kind="word"))


def written(folder: Path, tokenizer: Tokenizer, lines: list[str], size: int = 7) -> TokenFile:
    writer = TokenFileWriter(folder, tokenizer)
    for batch in batches(lines, size):
        writer.add(batch)
    writer.finish()
    return TokenFile.open(folder)


def test_lines_come_back(tmp_path: Path, tokenizer: Tokenizer, lines: list[str]) -> None:
    lines = [*lines, "", "zebra ünd"]
    tokens = written(tmp_path / "tokens", tokenizer, lines)
    found = [tokens.ids[a:b].tolist() for a, b in zip(tokens.offsets, tokens.offsets[1:], strict=False)]
    assert found == [[*ids, EOS] for ids in tokenizer.encode(lines)]
    assert tokens.num_lines == len(lines)
    assert len(tokens) == sum(map(len, found))
    assert tokens.num_bytes == len("".join(f"{line}\n" for line in lines).encode())
    assert tokens.num_unknown == sum(ids.count(UNK) for ids in found) >= 2
    assert tokens.ids.dtype == np.uint16
    assert [path.name for path in tmp_path.iterdir()] == ["tokens"]


def test_counts_are_how_often_each_id_occurs(tmp_path: Path, tokenizer: Tokenizer, lines: list[str]) -> None:
    counts = written(tmp_path / "tokens", tokenizer, lines).counts(tokenizer.vocab_size)
    assert len(counts) == tokenizer.vocab_size
    assert counts[EOS] == len(lines)
    assert (np.diff(counts[4:]) <= 0).all()
    assert counts.sum() == sum(len(line.split()) + 1 for line in lines)


def test_stretches_are_whole_lines_and_all_of_them(tmp_path: Path, tokenizer: Tokenizer, lines: list[str]) -> None:
    text = written(tmp_path / "text", tokenizer, lines)
    for most in (1, 7, 40, 10_000):
        found = list(text.stretches(most))
        assert np.concatenate(found).tolist() == text.ids.tolist()
        assert all(part[-1] == EOS for part in found)
        assert all(len(part) <= most or (part == EOS).sum() == 1 for part in found)
    assert list(written(tmp_path / "nothing", tokenizer, []).stretches(9)) == []


def test_an_empty_text_is_an_empty_file(tmp_path: Path, tokenizer: Tokenizer) -> None:
    tokens = written(tmp_path / "tokens", tokenizer, [])
    assert (len(tokens), tokens.num_lines, tokens.num_bytes) == (0, 0, 0)
    assert not tokens.counts(tokenizer.vocab_size).any()


def test_large_vocabularies_take_four_bytes(tmp_path: Path) -> None:
    words = [" ".join(f"w{i}" for i in range(70_000))]
    tokenizer = train_tokenizer(words, TokenizerSettings(kind="word", vocab_size=80_000, min_count=1))
    tokens = written(tmp_path / "tokens", tokenizer, words)
    assert tokens.ids.dtype == np.uint32
    assert tokens.ids.max() == 70_003


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(RequestError, match="there is a file where a folder should be"):
        TokenFileWriter(tmp_path / "cache" / "tokens", tokenizer)


FULL_DISK = """
import resource, sys
from pathlib import Path
from seqloom.data.corpus import Sources, prepare
from seqloom.data.readers import readers
from seqloom.data.text_codec import text_recipe
from seqloom.data.tokenizer import TokenizerSettings
from seqloom.data.text_codec import train_tokenizer
from seqloom.errors import SeqloomError
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    prepare(Sources(sys.argv[1]), text_recipe(readers["lines"], TokenizerSettings(kind="word")), Path(sys.argv[2]))
except SeqloomError as error:
    print(error.what)
"""


@pytest.mark.parametrize("words", [1, 8], ids=["while flushing", "while writing"])
def test_a_full_disk_is_said_and_leaves_no_token_file(tmp_path: Path, words: int) -> None:
    text, cache = tmp_path / "text.txt", tmp_path / "cache"
    text.write_text("".join(" ".join([f"w{i % 50}"] * words) + "\n" for i in range(10_000)))
    command = [sys.executable, "-c", FULL_DISK, str(text), str(cache)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "there is no space left on the disk", result.stderr
    assert sorted(path.name for path in cache.glob("*/*")) == ["manifest.json", "splits.json", "tokenizer.json"]


@given(st.lists(st.integers(), max_size=30), st.integers(1, 9))
def test_batches_are_the_lines_in_order(items: list[int], size: int) -> None:
    found = list(batches(items, size))  # type: ignore[arg-type]
    assert [item for batch in found for item in batch] == items
    assert all(len(batch) == size for batch in found[:-1])
