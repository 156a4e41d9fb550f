"""Writes the folder of a Transformer for CTranslate2, if its scores agree with the run's."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqloom.data.pairs import PairCodec
from seqloom.data.tokenizer import EOS, PAD, SOS, SPECIALS, UNK
from seqloom.decoding.search_options import Search
from seqloom.decoding.transduce import transduce
from seqloom.errors import RequestError
from seqloom.export.int8_loss import check_loss
from seqloom.export.onnx.answers import Answers, held_out_inputs, is_tie
from seqloom.export.onnx.contents import facts_of
from seqloom.export.onnx.gate import Gate
from seqloom.export.options import ExportOptions
from seqloom.export.shipped_folder import (
    Facts,
    first_facts,
    new_export,
    open_unfinished,
    versions_of,
    write_papers,
)
from seqloom.formats.ctranslate2.transformer import language_model_spec, translator_spec, write_spec
from seqloom.models.encoder_decoder import EncoderDecoder
from seqloom.models.language_model import LanguageModel
from seqloom.run import Run

_RANDOM_LINES = (1, 2, 40, 9, 4)


def write_folder(run: Run, out: Path, options: ExportOptions) -> None:
    """Writes the model, tokenizers, `manifest.json`, `parity.json`, `metrics.json`, `README.md` and `LICENSE`.

    Raises RequestError if CTranslate2 cannot represent the network, and ParityError if scores differ.
    """
    spec, kind = _spec_of(run)
    facts: Facts = {}
    with new_export(out, facts) as folder:
        write_spec(spec, folder, options.int8)
        run.codec.save(folder)
        facts |= {**first_facts(run, options), "kind": kind, "graphs": {}, **facts_of(run)}
        portable = open_unfinished(folder, facts)
        if options.int8:
            loss = check_loss(run, portable, options)
            parity: Facts = {"largest_difference": loss["largest_difference"], "answers": loss.pop("answers")}
            parity["int8"] = loss
        else:
            parity = _compare(run, portable, options)
        write_papers(run, folder, parity | {"versions": versions_of("ctranslate2")}, options)


def _spec_of(run: Run) -> tuple[Any, str]:
    if isinstance(run.model, EncoderDecoder) and isinstance(run.codec, PairCodec):  # not the source of a describer
        tokens = run.codec.source.tokens(), run.codec.target.tokens()
        return translator_spec(run.model, *tokens), "ctranslate2 translator"
    if isinstance(run.model, LanguageModel):
        first = run.task.first_input(run.plan.settings)  # type: ignore[attr-defined]
        return language_model_spec(run.model, run.codec.tokenizer.tokens(), first), "ctranslate2 language model"
    raise RequestError(
        "CTranslate2 runs translators and language models",
        where=str(run.folder),
        got=f"a run of {run.plan.task}, {run.plan.model}",
        hint="--to onnx exports every network",
    )


@torch.no_grad()
def _compare(run: Run, portable: Any, options: ExportOptions) -> Facts:
    gate, (inputs, path) = Gate(), held_out_inputs(run, options.data)
    answers = Answers(read_from=path)
    if isinstance(run.model, EncoderDecoder):
        _compare_random_pairs(run, portable, gate)
        _compare_greedy(run, portable, inputs, gate, answers)
    else:
        _compare_scores(run, portable, inputs, gate, answers)
    checks = {"tolerance": gate.tolerance, "answers": asdict(answers), "checks": gate.checks}
    return {"largest_difference": gate.largest, **checks}


def _compare_random_pairs(run: Run, portable: Any, gate: Gate) -> None:
    """Compares the log-probability of every token of random targets of different lengths in one batch."""
    rng, codec, model = np.random.default_rng(1), run.codec, run.model
    sources = [[*_random_ids(rng, codec.source.vocab_size, n), EOS] for n in _RANDOM_LINES]
    targets = [_random_ids(rng, codec.target.vocab_size, n) for n in reversed(_RANDOM_LINES)]
    source_tokens = [[codec.source.token(i) for i in source] for source in sources]
    target_tokens = [[codec.target.token(i) for i in target] for target in targets]
    results = portable.engine.score_batch(source_tokens, target_tokens)
    for source, target, result in zip(sources, targets, results, strict=True):
        encoded = model.encode(torch.tensor([source]), torch.tensor([len(source)]))
        read, expected_ids = torch.tensor([[SOS, *target]]), torch.tensor([[*target, EOS]])
        expected = model.log_prob(encoded, read, expected_ids)[0]
        gate.compare(f"log-probabilities of {len(expected_ids[0])} tokens", np.array(result.log_probs), expected)


def _random_ids(rng: np.random.Generator, vocab_size: int, count: int) -> list[int]:
    ids: list[int] = rng.integers(len(SPECIALS), vocab_size, count).tolist()
    return ids


def _compare_greedy(run: Run, portable: Any, lines: list[str], gate: Gate, answers: Answers) -> None:
    rows = [[*ids, EOS] for ids in run.codec.source.encode(lines) if ids]
    longest = run.plan.settings.decoding.max_length or max((2 * len(row) + 20 for row in rows), default=1)  # type: ignore[attr-defined]
    search = Search(beam_size=1, never=(PAD, SOS, UNK), max_length=longest)
    for row, ours, (theirs,) in zip(rows, portable.search(rows, 1), transduce(run.model, rows, search), strict=True):
        same = ours == theirs.token_ids
        tie = not same and is_tie(run, row, ours, theirs.token_ids, gate.tolerance)
        texts = (run.codec.target.decode(ids) for ids in (ours, theirs.token_ids))
        answers.add(same, tie, "translation", *texts)


def _compare_scores(run: Run, portable: Any, lines: list[str], gate: Gate, answers: Answers) -> None:
    for ours, theirs in zip(portable.score(lines), run.score(lines), strict=True):
        difference = abs(ours.log_prob - theirs.log_prob) / theirs.tokens
        gate.compare("log-probability of held-out lines, per token", np.array([difference]), np.zeros(1))
        answers.add(ours.tokens == theirs.tokens, False, "number of tokens", ours.tokens, theirs.tokens)
