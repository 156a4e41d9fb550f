"""The task `translate`, sequence to sequence: translation, pronunciation, inflection, spelling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import create_model

from seqloom.config import Settings
from seqloom.data.batches import Loader
from seqloom.data.corpus import Corpus, Recipe
from seqloom.data.hallucination import Hallucination
from seqloom.data.input_checks import check_text, check_texts, shown
from seqloom.data.length_limit import LengthLimit
from seqloom.data.pairs import PairCodec, PairLoader, Pairs, kind_for, pair_recipe
from seqloom.data.readers.pairs import Pair, pairs, sources
from seqloom.data.sampling_settings import subword_samplers
from seqloom.data.tokenizer import EOS
from seqloom.decoding.alignment import Alignment
from seqloom.decoding.line_scores import LineScores, TokenScore
from seqloom.decoding.option_checks import check_option
from seqloom.decoding.sampling import Sampling, sampling_of
from seqloom.decoding.scoring import named_scores, score_pairs, score_tokens_of_pairs
from seqloom.decoding.search_options import Search
from seqloom.decoding.sentence_vectors import sentence_vectors
from seqloom.decoding.terms import checked_terms, constraints_of, with_terms
from seqloom.decoding.token_rules import TokenRules, rules_of
from seqloom.decoding.transduce import check_can_require
from seqloom.decoding.translation import Translation, Translator
from seqloom.errors import RequestError, unknown_name
from seqloom.formats.vector_sources import open_vectors
from seqloom.metrics.by_length import LengthScores, scores_by_length
from seqloom.metrics.example_scores import ExampleScores
from seqloom.metrics.transduction import sentence_chrf
from seqloom.models.architecture import architecture, setting_fields
from seqloom.models.encoder_decoder import DecodesNext, EncoderDecoder, SharedTokens, Tokens
from seqloom.models.joint_ngram.model import JointNgram
from seqloom.models.pooling_names import AUTO
from seqloom.models.word_vectors.pretrained import initialise_embedding
from seqloom.registry import Description
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import ShownExample, Trained, refuse_unknown
from seqloom.tasks.ensembles import check_shared_codec
from seqloom.tasks.network_task import Loss
from seqloom.tasks.transduction import DecodedTargets, TransductionTask
from seqloom.tasks.translate_settings import ATTENTION, RECURRENT, TRANSFORMER, TranslateSettings
from seqloom.tasks.translate_units import (
    JOINT,
    CandidateEnsemble,
    check_has_probabilities,
    joint_answers,
    joint_preset,
    joint_settings,
    translator_of,
)


class TranslateTask(TransductionTask):
    """Generate one sequence given another: BLEU, chrF, exact match and token error rate."""

    name = "translate"
    description = "Generate one sequence given another: translate, inflect, pronounce, spell."
    default_model = "lstm+attention"

    def models(self) -> Sequence[str]:
        return sorted([JOINT, *super().models()])

    def describe(self, model: str) -> Description:
        return Description.of(JointNgram) if model == JOINT else super().describe(model)

    def settings(self, model: str) -> type[Settings]:
        if model not in self.models():
            raise unknown_name("model", model, self.models())
        if model == JOINT:
            return joint_settings()
        return create_model("TranslateSettings", __base__=TranslateSettings, **setting_fields(architecture(model)))

    def preset(self, model: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        if model == JOINT:
            return joint_preset()
        if model == "transformer":
            return TRANSFORMER
        return RECURRENT | ATTENTION if architecture(model).attends else RECURRENT

    def recipe(self, settings: TranslateSettings) -> Recipe[Pair, Pairs]:
        return pair_recipe(pairs, settings.tokenizer, settings.data.reverse, settings.data.columns)

    def fitted(self, model: str, settings: Any) -> JointNgram | None:
        return JointNgram(settings.model) if model == JOINT else None

    def measure(self, trained: Trained, data: Pairs) -> dict[str, float]:
        """The metrics of a joint n-gram model and of an ensemble with one, which have no loss."""
        return {"pairs": data.num_lines, **self.output_metrics(trained, data, brief=False)}

    def build(self, corpus: Corpus[Pair, Pairs], model: str, settings: TranslateSettings) -> EncoderDecoder:
        codec = cast(PairCodec, corpus.codec)
        counts = corpus.train.target.counts(codec.target.vocab_size)
        source = SharedTokens() if codec.shared else Tokens(codec.source.vocab_size)
        network = EncoderDecoder.build(architecture(model), settings, counts, source)
        read = network.embedding if codec.shared else cast(Any, network.encoder.read)
        if settings.embedding.from_:
            vectors = open_vectors(settings.embedding.from_)
            initialise_embedding(read.table, codec.source.tokens(), vectors, "embedding.from")
        return network

    def train_loader(self, corpus: Corpus[Pair, Pairs], settings: TranslateSettings, seed: int) -> Loader:
        train, data, codec = corpus.train, settings.data, cast(PairCodec, corpus.codec)
        limit = LengthLimit(data.max_length, data.long) if data.max_length else None
        samplers = subword_samplers((codec.source, codec.target), data, seed)
        hallucination = None
        if data.hallucinate:
            tokenizers = codec.source, codec.target
            hallucination = Hallucination(train.source, train.target, tokenizers, data.hallucinate, seed)
        return PairLoader(
            train.source, train.target, data.tokens_per_batch, seed, data.sort_within, limit, samplers, hallucination
        )

    def exact_loader(self, data: Pairs, settings: TranslateSettings) -> Loader:
        return PairLoader(data.source, data.target, settings.data.tokens_per_batch, seed=None)

    def target_vocab_size(self, data: Pairs) -> int:
        return data.codec.target.vocab_size

    def metrics(self, total: Loss, data: Pairs) -> dict[str, float]:
        nats, count = float(total.sum), int(total.count)
        return {"nats_per_token": nats / count, "tokens": count, "pairs": data.num_lines}

    def scores_by_length(self, trained: Trained, data: Pairs) -> list[LengthScores]:
        """The scores in buckets of the source's length in tokens, without `<eos>`."""
        lengths = (np.diff(data.source.offsets) - 1).tolist()
        sources, hypotheses, references, tokens = self.decoded(trained, data, brief=False)
        return scores_by_length(sources, hypotheses, references, lengths, tokens)

    def show_examples(self, trained: Trained, data: Pairs, numbers: Sequence[int]) -> list[ShownExample]:
        references: dict[str, list[str]] = {}
        for pair in data.pairs:
            references.setdefault(pair.source, []).append(pair.target)
        sources = [list(references)[number] for number in numbers]
        answers = self.predict(trained, sources, {})
        return [
            ShownExample(source, " / ".join(dict.fromkeys(references[source])), best[0].text)
            for source, best in zip(sources, answers, strict=True)
        ]

    def decoded(self, trained: Trained, data: Pairs, brief: bool) -> DecodedTargets:
        pairs = _part(data.pairs, trained.settings.decoding.validation_examples) if brief else data.pairs
        sources = [pair.source for pair in pairs]
        distinct = list(dict.fromkeys(sources))
        answers = self.predict(trained, distinct, {"beam_size": 1} if brief else {})
        hypotheses = {source: best[0].text for source, best in zip(distinct, answers, strict=True)}
        references = [pair.target for pair in pairs]
        # If targets are single words, their characters are the units.
        tokens: Callable[[str], Sequence[str]] = list if kind_for(references) == "character" else str.split
        return DecodedTargets(sources, [hypotheses[source] for source in sources], references, tokens)

    def example_scores(self, trained: Trained, data: Pairs) -> ExampleScores:
        return replace(super().example_scores(trained, data), groups=data.groups_of_sources)

    def inputs(self, path: str, settings: TranslateSettings) -> Iterator[str | Mapping[str, Any]]:
        return sources(path, settings.data.columns)

    def predict(
        self, trained: Trained, inputs: Sequence[str | Mapping[str, Any]], options: Mapping[str, Any]
    ) -> Iterator[Sequence[Translation]]:
        """An input is a text, or a dictionary with a text as `source` and its own terms as `require` and `forbid`. The
        options are those of `Search`, `TokenRules` and `Sampling` (with `sample`), `prefix`, `copy_unknown`, `require`,
        `forbid` and `mbr`."""
        if isinstance(trained.model, JointNgram | CandidateEnsemble):
            return joint_answers(trained, inputs, options, self.predict, self.score_examples)
        settings, codec = trained.settings.decoding, cast(PairCodec, trained.codec)
        known = {option.name for option in (*fields(Search), *fields(Sampling), *fields(TokenRules))}
        others = {"sample", "prefix", "copy_unknown", "forbid", "require", "mbr"}
        refuse_unknown(options, (known - {"sampling", "rules"}) | others, self.name)
        options = dict(options)
        lines = [with_terms(item, number) for number, item in enumerate(inputs, 1)]
        prefix, copy = options.pop("prefix", ""), options.pop("copy_unknown", settings.copy_unknown)
        check_text(prefix, "prefix")
        require, forbid = (checked_terms(options.pop(name, ()), name) for name in ("require", "forbid"))
        constraints = constraints_of(codec.target, lines, prefix, require, forbid)
        options["sampling"] = sampling_of(options)
        options["rules"] = rules_of(options)
        mbr, n_best = options.pop("mbr", 0), options.get("n_best", 1)
        if mbr:
            possible = options["sampling"] is not None and n_best <= mbr <= 1_000
            check_option("mbr", mbr, possible, "n_best to 1,000, with sample")
            options["n_best"] = mbr
        beam_size = options.pop("beam_size", max(settings.beam_size, options.get("n_best", 1)))
        as_set_up = {"length_penalty": settings.length_penalty, "max_length": settings.max_length}
        search = Search(beam_size, **{**as_set_up, **options})
        device = trained.device
        if any(limits.required for limits in constraints):
            check_can_require(search)
        translator = Translator(trained.model, codec.source, codec.target, device)
        answers = translator.translate([line.source for line in lines], search, constraints, copy)
        return (_least_risk(samples)[:n_best] for samples in answers) if mbr else answers

    def ensemble(self, members: Sequence[Trained]) -> Trained:
        if not any(isinstance(member.model, JointNgram) for member in members):
            return super().ensemble(members)
        check_shared_codec(members, "tokenizers")
        return members[0]._replace(model=CandidateEnsemble(members))

    def embed(self, trained: Trained, inputs: Sequence[str], pooling: str) -> Iterator[NDArray[np.float32]]:
        """Of the encoder; `auto` is the mean of its outputs."""
        if isinstance(trained.model, JointNgram):
            raise RequestError("a count-based model has no vectors", where="embed", expected="a run of a network")
        check_texts(inputs)
        rows = [[*ids, EOS] for ids in cast(PairCodec, trained.codec).source.encode(inputs)]
        device = trained.device
        return sentence_vectors(trained.model, rows, "mean" if pooling == AUTO else pooling, device)

    def examples(self, path: str, settings: TranslateSettings) -> Iterator[Pair]:
        return self.recipe(settings).examples(path)

    def score_examples(self, trained: Trained, examples: Sequence[Pair]) -> LineScores:
        """The log-probability of each target given its source, in nats."""
        check_has_probabilities(trained)
        pairs = self._encoded(trained, examples)
        if isinstance(trained.model, JointNgram):
            return translator_of(trained).score([(source[:-1], target) for source, target in pairs])
        return score_pairs(trained.model, pairs, trained.device)

    def score_tokens(self, trained: Trained, examples: Sequence[Pair]) -> list[list[TokenScore]]:
        """The log-probability of each token of each target given its source, in nats."""
        check_has_probabilities(trained)
        if isinstance(trained.model, JointNgram):
            raise RequestError("a joint n-gram model gives targets as a whole a probability", where="score_tokens")
        pairs, tokenizer = self._encoded(trained, examples), cast(PairCodec, trained.codec).target
        scores = score_tokens_of_pairs(trained.model, pairs, trained.device)
        return [named_scores(tokenizer, target, row) for (_, target), row in zip(pairs, scores, strict=True)]

    def align_examples(self, trained: Trained, examples: Sequence[Pair]) -> Iterator[Alignment]:
        """The attention of each target to its source, token by token."""
        check_has_probabilities(trained)
        if isinstance(trained.model, JointNgram):
            pairs = self._encoded(trained, examples)
            return translator_of(trained).align([(source[:-1], target) for source, target in pairs])
        codec, device = cast(PairCodec, trained.codec), trained.device
        translator = Translator(cast(DecodesNext, trained.model), codec.source, codec.target, device)
        return translator.align(self._encoded(trained, examples))

    def _encoded(self, trained: Trained, examples: Sequence[Pair]) -> list[tuple[list[int], list[int]]]:
        """The token ids of each source, `<eos>` last, and of its target. Raises RequestError if an example is not a
        pair."""
        codec: PairCodec = trained.codec
        for number, pair in enumerate(examples, 1):
            if isinstance(pair, str) or len(pair) != 2 or not all(isinstance(side, str) for side in pair):
                expected = "(source, target)"
                raise RequestError(
                    "an example is not a pair", where=f"input {number}", got=shown(pair), expected=expected
                )
        sources = codec.source.encode([pair[0] for pair in examples])
        targets = codec.target.encode([pair[1] for pair in examples])
        return [([*source, EOS], target) for source, target in zip(sources, targets, strict=True)]


def _least_risk(samples: Sequence[Translation]) -> list[Translation]:
    """The distinct samples in order of their expected chrF, with the samples as references (minimum Bayes risk; Eikema
    and Aziz 2020). `score` is that chrF."""
    counts = Counter(sample.text for sample in samples)
    utility = {
        text: sum(sentence_chrf(text, other) * count for other, count in counts.items()) / counts.total()
        for text in counts
    }
    first = {sample.text: sample for sample in reversed(samples)}
    ranked = sorted(counts, key=lambda text: -utility[text])
    return [first[text]._replace(score=utility[text]) for text in ranked]


def _part(pairs: Sequence[Pair], sources: int) -> Sequence[Pair]:
    """All pairs of this number of sources, spread evenly over the file; 0 is all."""
    distinct = list(dict.fromkeys(pair.source for pair in pairs))
    if not sources or len(distinct) <= sources:
        return pairs
    part = {distinct[i] for i in np.linspace(0, len(distinct) - 1, sources).astype(int)}
    return [pair for pair in pairs if pair.source in part]


tasks.register("translate")(TranslateTask())
