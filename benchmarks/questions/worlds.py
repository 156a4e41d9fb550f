"""Generated data of which the answer is known: what decides a label or the next token is part of the construction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np


def _write(path: Path, lines: Iterable[str]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def markov_text(path: Path, seed: int, lines: int = 400, length: int = 40, words: int = 12) -> str:
    """Text in which the last two words say all about the next one: each pair of words has three successors."""
    rng = np.random.default_rng(seed)
    successors = rng.integers(words, size=(words, words, 3))
    shares = np.array([0.6, 0.3, 0.1])
    text = []
    for _ in range(lines):
        line = list(rng.integers(words, size=2))
        while len(line) < length:
            line.append(rng.choice(successors[line[-2], line[-1]], p=shares))
        text.append(" ".join(f"w{word}" for word in line))
    return _write(path, text)


def temporal_order(path: Path, seed: int, steps: int, examples: int = 1_500) -> str:
    """Labelled texts of `steps` words with two marks, X or Y each: the first in the second tenth, the second one in the
    middle. The label is which marks in which order (Hochreiter and Schmidhuber 1997, experiment 6a)."""
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(examples):
        words = [f"d{word}" for word in rng.integers(4, size=steps)]
        marks = rng.choice(["x", "y"], size=2)
        words[rng.integers(steps // 10, steps // 5)] = marks[0]
        words[rng.integers(steps // 2, steps * 3 // 5)] = marks[1]
        lines.append(f"{''.join(marks)}\t{' '.join(words)}")
    return _write(path, lines)


def neighbour_tags(path: Path, seed: int, sentences: int, next_word: bool, words: int = 10, length: int = 12) -> str:
    """Tagged sentences of random words: whether the number of the word before, or of the next word, is odd decides the
    tag of a word; of a word without such a neighbour the tag is "even"."""
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(sentences):
        sentence = rng.integers(words, size=length).tolist()
        neighbours = [*sentence[1:], 0] if next_word else [0, *sentence[:-1]]
        tags = ("odd" if neighbour % 2 else "even" for neighbour in neighbours)
        lines.append("".join(f"w{chr(97 + word)} {tag}\n" for word, tag in zip(sentence, tags, strict=True)))
    return _write(path, lines)


def remembered_text(path: Path, seed: int, lag: int, lines: int = 600, keys: int = 8) -> str:
    """Lines whose last word is their first one; `lag` words that say nothing lie between them."""
    rng = np.random.default_rng(seed)
    return _write(
        path,
        (
            f"key{key} " + " ".join(f"x{word}" for word in rng.integers(2, size=lag)) + f" key{key}"
            for key in rng.integers(keys, size=lines)
        ),
    )


def reversed_strings(path: Path, seed: int, pairs: int = 3_000, lengths: Sequence[int] = (3, 12)) -> str:
    """Pairs of a string and the same string written from its end."""
    strings = _strings(np.random.default_rng(seed), pairs, lengths)
    return _write(path, (f"{string}\t{string[::-1]}" for string in strings))


def copies_and_reversals(path: Path, seed: int, pairs: int = 3_000, lengths: Sequence[int] = (3, 8)) -> str:
    """Pairs of a string and, by chance, the same string or its reversal: each source has two right targets."""
    rng = np.random.default_rng(seed)
    strings = _strings(rng, pairs, lengths)
    return _write(path, (f"{string}\t{string[:: rng.choice([1, -1])]}" for string in strings))


def _strings(rng: np.random.Generator, number: int, lengths: Sequence[int]) -> list[str]:
    """Different strings of ten letters; fewer than `number` where some are drawn twice."""
    letters = list("abcdefghij")
    return sorted({"".join(rng.choice(letters, size=rng.integers(lengths[0], lengths[1] + 1))) for _ in range(number)})


def _topic_words(rng: np.random.Generator, topic: int, words: int, each: int) -> list[str]:
    """Words of a topic, the first ones often (Zipf), in any order."""
    shares = 1 / np.arange(1, each + 1)
    return [f"t{topic}w{word}" for word in rng.choice(each, size=words, p=shares / shares.sum())]


def topic_sentences(
    rng: np.random.Generator, number: int, topics: int, each: int, of_topic: int = 6
) -> list[tuple[int, str]]:
    """Sentences of `of_topic` words of one topic among six words of all texts."""
    sentences = []
    for topic in rng.integers(topics, size=number):
        words = _topic_words(rng, int(topic), of_topic, each) + [f"c{word}" for word in rng.integers(30, size=6)]
        rng.shuffle(words)
        sentences.append((int(topic), " ".join(words)))
    return sentences


def bag_of_words_labels(path: Path, seed: int, examples: int = 1_000, topics: int = 4, each: int = 60) -> str:
    """Labelled texts in which the label decides which words occur, and nothing decides their order."""
    sentences = topic_sentences(np.random.default_rng(seed), examples, topics, each, of_topic=2)
    return _write(path, (f"topic{topic}\t{text}" for topic, text in sentences))


def noise_labels(path: Path, seed: int, examples: int = 1_000, classes: int = 2) -> str:
    """Labelled texts whose labels are drawn by chance."""
    rng = np.random.default_rng(seed)
    return _write(
        path,
        (
            f"label{label}\t" + " ".join(f"w{word}" for word in rng.integers(40, size=10))
            for label in rng.integers(classes, size=examples)
        ),
    )


def autoregressive_series(path: Path, seed: int, steps: int = 600) -> str:
    """A series x_t = 1.2 x_{t-1} - 0.6 x_{t-2} + noise, with a date each."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=steps + 100)
    series = np.zeros(steps + 100)
    for step in range(2, steps + 100):
        series[step] = 1.2 * series[step - 1] - 0.6 * series[step - 2] + noise[step]
    days = np.arange(np.datetime64("2020-01-01"), np.datetime64("2020-01-01") + steps)
    return _write(path, ["date,value", *(f"{day},{value:.6f}" for day, value in zip(days, series[100:], strict=True))])
