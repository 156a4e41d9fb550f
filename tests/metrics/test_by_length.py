"""The buckets cover every length once and none is nearly empty; each has the scores of its own lines."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqloom.errors import SeqloomError
from seqloom.metrics.by_length import buckets, scores_by_length, table
from seqloom.metrics.transduction import transduction_scores


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=300))
def test_the_buckets_cover_every_length_once(lengths: list[int]) -> None:
    found = buckets(lengths)
    assert found[0][0] == min(lengths)
    assert found[-1][1] == max(lengths)
    assert all(high + 1 == low for (_, high), (low, _) in itertools.pairwise(found))
    assert all(low <= high for low, high in found)


@given(st.lists(st.integers(0, 200), min_size=5, max_size=300))
def test_no_bucket_is_nearly_empty(lengths: list[int]) -> None:
    for low, high in buckets(lengths):
        assert sum(low <= length <= high for length in lengths) >= max(5, 0.02 * len(lengths))


def test_sentences_have_buckets_of_fives_and_tens() -> None:
    lengths = [length for length in range(1, 41) for _ in range(10)]
    assert buckets(lengths) == [(1, 5), (6, 10), (11, 15), (16, 20), (21, 30), (31, 40)]


def test_words_have_finer_buckets() -> None:
    lengths = [length for length in range(3, 11) for _ in range(10)]
    assert buckets(lengths) == [(3, 4), (5, 6), (7, 8), (9, 10)]


def test_a_few_long_ones_go_with_those_before() -> None:
    lengths = [length for length in range(1, 31) for _ in range(10)] + [90]
    assert buckets(lengths)[-1] == (21, 90)


def test_each_row_has_the_scores_of_its_lines() -> None:
    sources = [" ".join("abcdefghijklmnopqrstuvwxyz"[: 1 + i % 24]) + f" {i}" for i in range(240)]
    references = [source.upper() for source in sources]
    hypotheses = [line if len(line) < 20 else line[:16] for line in references]
    lengths = [len(source.split()) for source in sources]
    rows = scores_by_length(sources, hypotheses, references, lengths)
    assert sum(row.lines for row in rows) == len(sources)
    assert rows[0].exact_match == 1
    assert rows[-1].exact_match == 0
    assert rows[-1].token_error_rate > rows[0].token_error_rate
    row = rows[1]
    chosen = [i for i, length in enumerate(lengths) if row.from_length <= length <= row.to_length]
    parts = [[lines[i] for i in chosen] for lines in (sources, hypotheses, references)]
    assert row[3:] == tuple(transduction_scores(*parts).values())


def test_the_table_stands_in_columns() -> None:
    rows = scores_by_length(["a"] * 3, ["x"] * 3, ["x"] * 3, [1] * 3)
    lines = table(rows).splitlines()
    assert lines[0].split("  ")[0] == "source length"
    assert lines[1].split() == ["1", "3", f"{rows[0].bleu:.1f}", "100.0", "1.000", "0.000"]
    assert len({len(line) for line in lines}) == 1


def test_every_source_needs_a_length() -> None:
    with pytest.raises(SeqloomError, match="length"):
        scores_by_length(["a", "b"], ["x", "y"], ["x", "y"], [1])
    with pytest.raises(SeqloomError):
        scores_by_length([], [], [], [])
