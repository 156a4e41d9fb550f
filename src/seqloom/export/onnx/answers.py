"""Compares the exported folder with the run as a user would: classes, tags, scores and greedy text on held-out
lines."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seqloom.data.readers.described import Described
from seqloom.data.readers.tagged_steps import TaggedSteps
from seqloom.data.tokenizer import EOS, PAD, SOS, UNK, Tokenizer
from seqloom.decoding.batching import padded_source
from seqloom.decoding.decision import Number
from seqloom.decoding.sampling import Sampling, generate
from seqloom.decoding.search_options import Search
from seqloom.decoding.transduce import transduce
from seqloom.export.held_out import held_out_examples
from seqloom.export.onnx.forecast_parity import check_forecasts
from seqloom.export.onnx.gate import Gate, ParityError
from seqloom.export.onnx.transcript_parity import compare_transcripts, recordings_of
from seqloom.models.forecasting.local import LocalForecaster
from seqloom.models.forecasting.mixture import ForecastMixture
from seqloom.models.joint_ngram.model import JointNgram
from seqloom.models.word_vectors.model import WordVectors
from seqloom.run import Run
from seqloom_portable.sampling import Sampling as PortableSampling
from seqloom_portable.sampling import generate as portable_generate
from seqloom_portable.search import Search as PortableSearch

LINES = 200
_JOINT_LINES = 50
_PROMPTS = 20
_TOKENS = 10
_WORDS = 20
"""Longer lines are truncated to this number of words, so that an export takes seconds; the gate compares long rows."""


@dataclass
class Answers:
    """The number of `lines`, how many of the answers are identical, and how many are `ties`: they differ, but the run
    itself gives both the same probability within the tolerance. `read_from`: the file of the lines."""

    lines: int = 0
    identical: int = 0
    ties: int = 0
    read_from: str = ""

    def add(self, same: bool, tie: bool, what: str, got: object, expected: object) -> None:
        """Counts a compared answer. Raises ParityError if it differs and is not a tie."""
        self.lines += 1
        self.identical += same
        if not same:
            self.ties += 1
            if not tie:
                raise ParityError(
                    f"the exported model gives another {what}",
                    where=f"line {self.lines} of {self.read_from}",
                    got=got,
                    expected=expected,
                )


def held_out_inputs(run: Run, data: str) -> tuple[list[Any], str]:
    """Inputs of `held_out_examples`, and the path of their data."""
    examples, path = held_out_examples(run, data)
    return list(itertools.islice(_inputs(examples), LINES)), path


def _inputs(examples: Iterator[Any]) -> Iterator[Any]:
    """The examples without their targets."""
    for example in examples:
        if isinstance(example, Described | TaggedSteps):
            yield example.frames
        elif not isinstance(example, str):
            yield getattr(example, "words", None) or example.source
        elif example.strip():
            yield example


@torch.no_grad()
def compare_answers(run: Run, portable: Any, data: str, gate: Gate) -> Answers:
    """Raises ParityError if an answer of the folder differs from the run's. Numbers, such as forecasts, are compared by
    the gate alone."""
    if isinstance(run.model, WordVectors):
        return _compare_words(run, portable, gate)
    if isinstance(run.model, LocalForecaster | ForecastMixture):
        check_forecasts(run, portable, gate)
        return Answers()
    if run.plan.task == "transcribe":
        sounds, path = recordings_of(run, data)
        identical, ties = compare_transcripts(run, portable, sounds, gate)
        return Answers(len(sounds), identical, ties, path)
    compare = _COMPARISONS.get(run.plan.task)
    if compare is None:
        return Answers()
    inputs, path = held_out_inputs(run, data)
    answers = Answers(read_from=path)
    if inputs:
        compare(run, portable, inputs, gate, answers)
    return answers


def _compare_classes(run: Run, portable: Any, inputs: Sequence[Any], gate: Gate, answers: Answers) -> None:
    if run.codec.targets.kind != "class":
        _compare_sets_or_numbers(run, portable, inputs, gate, answers)
        return
    names = list(run.codec.labels.names)
    expected = []
    for decisions in run.answers(inputs):
        by_name = {decision.text: decision.score for decision in decisions}
        expected.append([by_name[name] for name in names])
    exported_log_probs, expected_log_probs = portable.log_probs(inputs), np.array(expected)
    gate.compare("log-probabilities of classes, held-out lines", exported_log_probs, expected_log_probs)
    for ours, theirs in zip(exported_log_probs, expected_log_probs, strict=True):
        first, second = np.sort(theirs)[::-1][:2]
        same = int(ours.argmax()) == int(theirs.argmax())
        answers.add(same, first - second <= 2 * gate.tolerance, "class", names[ours.argmax()], names[theirs.argmax()])


def _compare_sets_or_numbers(run: Run, portable: Any, inputs: Sequence[Any], gate: Gate, answers: Answers) -> None:
    """Compares sets of labels, or numbers."""
    thresholds = dict(zip(portable.labels, portable.target.get("thresholds", ()), strict=True))
    for (ours,), (theirs,) in zip(portable.answers(inputs), run.answers(inputs), strict=True):
        of_run: Any = theirs
        if isinstance(of_run, Number):
            numbers = np.array([ours.number, of_run.number]) / float(run.model.target_scale)
            gate.compare("numbers, held-out lines", numbers[:1], numbers[1:])
            continue
        pairs = np.array([(ours.probabilities[name], of_run.probabilities[name]) for name in portable.labels])
        gate.compare("probabilities of labels, held-out lines", pairs[:, 0], pairs[:, 1])
        margin = min(abs(of_run.probabilities[name] - threshold) for name, threshold in thresholds.items())
        same = set(ours.labels) == set(of_run.labels)
        answers.add(same, margin <= 2 * gate.tolerance, "set of labels", ours.text, of_run.text)


def _compare_tags(run: Run, portable: Any, inputs: Sequence[Any], gate: Gate, answers: Answers) -> None:
    pairs = zip(portable.answers(inputs), run.answers(inputs), strict=True)
    for ours, (theirs,) in pairs:
        of_run: Any = theirs
        same = list(ours.tags) == list(of_run.tags)
        answers.add(same, False, "tag", " ".join(ours.tags), " ".join(of_run.tags))
        gate.compare(
            "probabilities of tags, held-out lines", np.array(ours.probabilities), np.array(of_run.probabilities)
        )


def _compare_text(run: Run, portable: Any, lines: Sequence[str], gate: Gate, answers: Answers) -> None:
    """Compares scores, and the greedy continuations of the first words of some lines."""
    lines = [" ".join(line.split()[:_WORDS]) for line in lines]
    theirs = run.score(lines)
    for ours, expected in zip(portable.score(lines), theirs, strict=True):
        difference = abs(ours.log_prob - expected.log_prob) / expected.tokens
        gate.compare("log-probability of held-out lines, per token", np.array([difference]), np.zeros(1))
        same = ours.tokens == expected.tokens and ours.unknown == expected.unknown
        answers.add(same, False, "number of tokens", ours.tokens, expected.tokens)
    first = run.task.first_input(run.plan.settings)  # type: ignore[attr-defined]
    never = [PAD, SOS, UNK]

    def step(ids: Any, state: Any) -> tuple[Any, Any]:
        log_probs, state = portable.next_log_probs(ids, state)
        return log_probs[0], state

    for line in lines[:_PROMPTS]:
        prompt = [first, *run.codec.tokenizer.encode([line])[0][:3]]
        greedy = generate(run.model, prompt, Sampling(temperature=0.0), never=never, seed=1)
        exported = portable_generate(step, portable.first_state(1), prompt, PortableSampling(temperature=0.0), never, 1)
        expected_ids, exported_ids = (list(itertools.islice(ids, _TOKENS)) for ids in (greedy, exported))
        tie = expected_ids != exported_ids and _is_tie_after(run, prompt, exported_ids, expected_ids, gate.tolerance)
        answers.add(expected_ids == exported_ids, tie, "text", exported_ids, expected_ids)


def _first_difference(exported: Sequence[int], expected: Sequence[int]) -> int:
    pairs = enumerate(itertools.zip_longest(exported, expected))
    return next(place for place, (token, expected_token) in pairs if token != expected_token)


def _is_tie_after(run: Run, prompt: list[int], exported: list[int], expected: list[int], tolerance: float) -> bool:
    """Whether the run gives the first two tokens that differ the same probability."""
    place = _first_difference(exported, expected)
    read = torch.tensor([[*prompt, *expected[:place]]])
    log_probs, _ = run.model.next_log_probs(read, run.model.initial_state(1))
    return abs(float(log_probs[0, exported[place]] - log_probs[0, expected[place]])) <= 2 * tolerance


def _compare_translations(run: Run, portable: Any, lines: Sequence[str], gate: Gate, answers: Answers) -> None:
    if isinstance(run.model, JointNgram):
        _compare_joint_ngrams(run, portable, lines[:_JOINT_LINES], gate, answers)
        return
    rows = [[*ids, EOS] for ids in run.codec.source.encode(lines)]
    _compare_targets(run, portable, [row for row in rows if len(row) > 1], run.codec.target, gate, answers)


def _compare_joint_ngrams(run: Run, portable: Any, lines: Sequence[str], gate: Gate, answers: Answers) -> None:
    for (ours,), (theirs, *others) in zip(portable.answers(lines), run.answers(lines, n_best=2), strict=True):
        of_run: Any = theirs
        tie = any(answer.text == ours.text and of_run.score - answer.score <= 2 * gate.tolerance for answer in others)
        answers.add(ours.text == of_run.text, tie, "translation", ours.text, of_run.text)
        gate.compare("log-probability of targets", np.array([ours.log_prob]), np.array([of_run.log_prob]))


def _compare_descriptions(run: Run, portable: Any, inputs: Sequence[Any], gate: Gate, answers: Answers) -> None:
    vectors = [frames.reshape(1, -1) if run.codec.parts > 1 else frames for frames in inputs]  # as users give them
    rows = run.codec.rows(vectors)
    for ours, theirs in zip(portable.rows(vectors), rows, strict=True):
        gate.compare("numbers that the network reads", ours, theirs)
    _compare_targets(run, portable, rows, run.codec.tokenizer, gate, answers)


def _compare_targets(
    run: Run, portable: Any, rows: Sequence[Any], tokenizer: Tokenizer, gate: Gate, answers: Answers
) -> None:
    never = (PAD, SOS, UNK)
    expected = list(transduce(run.model, rows, Search(beam_size=1, never=never)))
    exported = portable.search(rows, PortableSearch(beam_size=1, never=never))
    for row, ours, theirs in zip(rows, exported, expected, strict=True):
        same = ours[0].token_ids == theirs[0].token_ids
        tie = not same and is_tie(run, row, ours[0].token_ids, theirs[0].token_ids, gate.tolerance)
        texts = (tokenizer.decode(hypotheses[0].token_ids) for hypotheses in (ours, theirs))
        answers.add(same, tie, "translation", *texts)
        if same:
            difference = (ours[0].log_prob - theirs[0].log_prob) / (len(ours[0].token_ids) + 1)
            gate.compare("log-probability of greedy targets, per token", np.array([difference]), np.zeros(1))


def is_tie(run: Run, source: Any, exported: list[int], expected: list[int], tolerance: float) -> bool:
    """Whether the run gives the first two tokens that differ the same probability."""
    place = _first_difference([*exported, EOS], [*expected, EOS])
    encoded = run.model.encode(*padded_source([source]))
    inputs = torch.tensor([[SOS, *expected[:place]]])
    last = []
    for token in ([*exported, EOS][place], [*expected, EOS][place]):
        targets = torch.tensor([[*expected[:place], token]])
        last.append(float(run.model.log_prob(encoded, inputs, targets)[0, -1]))
    return abs(last[0] - last[1]) <= 2 * tolerance


def _compare_words(run: Run, portable: Any, gate: Gate) -> Answers:
    from seqloom.run.embeddings import Vectors

    table, answers = Vectors.open(run.folder), Answers(read_from=str(run.folder))
    for word in list(table.words)[:LINES]:
        ours, theirs = portable.similar(word, 5), table.similar(word, 5)
        cosines = [np.array([near.cosine for near in neighbours]) for neighbours in (ours, theirs)]
        gate.compare("cosines of the nearest words", *cosines)
        same = [near.word for near in ours] == [near.word for near in theirs]
        # Words with equal vectors may be in a different order.
        answers.add(same, True, "nearest word", ours, theirs)
    return answers


_COMPARISONS = {
    "classify": _compare_classes,
    "describe": _compare_descriptions,
    "language-model": _compare_text,
    "tag": _compare_tags,
    "translate": _compare_translations,
}
