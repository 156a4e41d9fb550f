"""The task `transcribe`: sound into words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.data.batches import Batch, Loader
from seqloom.data.corpus import Corpus
from seqloom.data.example import Frames
from seqloom.data.groups import named_groups
from seqloom.data.readers.recordings import unlabelled_recordings
from seqloom.data.sound.frame_cache import warn_of_skipped
from seqloom.data.sound.sound_file import SoundFile, SoundInput, decode, sound_of
from seqloom.data.sound.spoken import SpokenCodec, SpokenData
from seqloom.data.sound.spoken_loader import AugmentedLoader, SpokenLoader
from seqloom.data.sound.spoken_recipe import SpokenRecipe
from seqloom.decoding.transcription.listening import listener_of
from seqloom.errors import RequestError, SeqloomError, unknown_name
from seqloom.metrics.example_scores import ExampleScores
from seqloom.metrics.transcription import (
    TranscriptScores,
    TranscriptStudy,
    WrongTranscript,
    scores_by_speaker,
    scores_by_words,
    transcript_scores,
    word_edits,
)
from seqloom.models.attentional_transcriber import ATTENTION, AttentionalTranscriber, transcriber_architectures
from seqloom.models.transcriber import Transcriber
from seqloom.models.utterance_svm import UtteranceSvm
from seqloom.nn.layer import State, layers
from seqloom.registry import Description
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import LossMetric, Trained, TrainedModel, refuse_unknown
from seqloom.tasks.network_task import Loss
from seqloom.tasks.task import Score
from seqloom.tasks.transcribe_language import Language, fit_weights, warn_of_blanks
from seqloom.tasks.transcribe_search import decoder_of, log_probs, recogniser
from seqloom.tasks.transcribe_settings import SVM, CommonSettings, preset_of, settings_of
from seqloom_portable.listening import Listener
from seqloom_portable.transcripts import Transcript

_EXACT_RECORDINGS = 64
_WORST = 30
"""Recordings on a page."""
_RECORDINGS_AT_ONCE, _STEPS_AT_ONCE = 64, 50_000
"""Of which `predict` holds the frames."""


class TranscribeTask:
    """Sound into words, scored by word and character error rates."""

    name = "transcribe"
    description = "Write the words of recordings: commands, sentences, calls."
    default_model = "bigru"
    loss_metric = LossMetric("nats_per_token")

    def models(self) -> Sequence[str]:
        """Every layer with CTC, and with an attention decoder beside it."""
        return sorted([SVM, *layers, *transcriber_architectures()])

    def describe(self, model: str) -> Description:
        if model == SVM:
            return Description.of(UtteranceSvm)
        if not model.endswith(ATTENTION):
            return layers.describe(model)
        architecture = transcriber_architectures()[model]
        text = (
            f"{architecture.encoder} reads the sound, {architecture.decoder} writes with attention, and CTC beside it."
        )
        return Description(text[0].upper() + text[1:], "Chan et al. 2016; Watanabe et al. 2017")

    def settings(self, model: str) -> type[Settings]:
        if model not in self.models():
            raise unknown_name("model", model, self.models())
        return settings_of(model)

    def preset(self, model: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        return preset_of(model)

    def recipe(self, settings: CommonSettings) -> SpokenRecipe:
        data = settings.data
        return SpokenRecipe(
            settings.features, settings.tokenizer, data.max_seconds, data.skip_bad, data.speaker_independent
        )

    def fitted(self, model: str, settings: Any) -> UtteranceSvm | None:
        return UtteranceSvm(settings.model) if model == SVM else None

    def measure(self, trained: Trained, data: SpokenData) -> dict[str, float]:
        """The metrics of the baseline, which has no loss."""
        return {"recordings": data.num_lines, **self.output_metrics(trained, data, brief=False)}

    def build(self, corpus: Corpus[Any, SpokenData], model: str, settings: Any) -> nn.Module:
        codec = cast(SpokenCodec, corpus.codec)
        if model.endswith(ATTENTION):
            architecture = transcriber_architectures()[model]
            return AttentionalTranscriber.of(architecture, settings, corpus.train.token_counts(), codec.features.size)
        ngram = Language(settings.language, settings.tokenizer).ngram(corpus.train.texts)
        return Transcriber.build(model, settings, codec.features.size, codec.tokenizer.vocab_size, ngram)

    def rebuild(self, tensors: Mapping[str, Tensor], model: str, settings: Any) -> nn.Module:
        if model.endswith(ATTENTION):
            return AttentionalTranscriber.reopened(transcriber_architectures()[model], settings, tensors)
        return Transcriber.rebuild(model, settings, tensors)

    def train_loader(self, corpus: Corpus[Any, SpokenData], settings: CommonSettings, seed: int) -> Loader:
        data = settings.data
        return AugmentedLoader(corpus.train, data.frames_per_batch, data.recordings_per_batch, settings.augment, seed)

    def exact_loader(self, data: SpokenData, settings: CommonSettings) -> Loader:
        return SpokenLoader(data, settings.data.frames_per_batch, _EXACT_RECORDINGS)

    def loss(self, model: TrainedModel, batch: Batch, state: State | None) -> tuple[Loss, State | None]:
        """The loss per token; the end of each transcript counts as a token."""
        mask = batch.mask()
        # A rank without rows has an idle one.
        real_rows = batch if batch.scored is None else batch.select(batch.scored[:, 0])
        total = model.transcript_loss(
            real_rows.source, real_rows.source_lengths, real_rows.inputs, real_rows.targets, real_rows.lengths
        )
        return Loss(total, torch.tensor(batch.targets.numel()) if mask is None else mask.sum()), state

    def score(self, data: SpokenData) -> Score:  # noqa: ARG002
        """The word error rate, but weights are chosen by their loss: the rate of few recordings is partly luck, and an
        early lucky one is far worse for new voices (LOG.md)."""
        return Score("word_error_rate", lower_is_better=True, loss="nats_per_token")

    def metrics(self, total: Loss, data: SpokenData) -> dict[str, float]:
        return {
            "nats_per_token": float(total.sum) / max(int(total.count), 1),
            "recordings": data.num_lines,
            "seconds_of_sound": round(float(data.seconds.sum()), 2),
        }

    def output_metrics(self, trained: Trained, data: SpokenData, brief: bool) -> dict[str, Any]:
        """The scores of greedy decoding if `brief`, else of the search in the settings."""
        texts = self._texts(trained, data, {"beam_size": 1} if brief else {})
        if not isinstance(trained.model, UtteranceSvm):
            warn_of_blanks(trained.model, data.texts, texts, brief)
        scores = transcript_scores(data.texts, texts)
        return {name: value for name, value in scores._asdict().items() if name not in ("group", "recordings")}

    def example_scores(self, trained: Trained, data: SpokenData) -> ExampleScores:
        """The edits of each recording, and the number of words in its reference."""
        pairs = zip(data.texts, self._texts(trained, data, {}), strict=True)
        sums = np.array([word_edits(*pair) for pair in pairs], np.float64)
        groups = named_groups(data.speakers) if trained.settings.data.speaker_independent else None
        return ExampleScores("ratio", "recording", sums, groups=groups)

    def scores_by_group(self, trained: Trained, data: SpokenData) -> dict[str, list[TranscriptScores]]:
        """Scores by the number of words, and by speaker if speakers are known."""
        texts = self._texts(trained, data, {})
        return {
            "length": scores_by_words(data.texts, texts),
            "speaker": scores_by_speaker(data.texts, texts, data.speakers),
        }

    def study_transcripts(self, trained: Trained, data: SpokenData) -> TranscriptStudy:
        answers = list(recogniser(trained, {})(self._recordings(data)))
        texts = [best.text for best, *_ in answers]
        edits = [word_edits(*pair)[0] for pair in zip(data.texts, texts, strict=True)]
        order = sorted((i for i, count in enumerate(edits) if count), key=lambda i: -edits[i])[:_WORST]
        worst = [
            WrongTranscript(
                Path(data.sounds[i].name).name, data.speakers[i], data.texts[i], answers[i][0], edits[i],
                decode(data.sounds[i].read(), data.sounds[i].where), data.log_mel(i),
            )
            for i in order
        ]  # fmt: skip
        by_words, by_speaker = scores_by_words(data.texts, texts), scores_by_speaker(data.texts, texts, data.speakers)
        return TranscriptStudy(transcript_scores(data.texts, texts), by_words, by_speaker, worst)

    def _recordings(self, data: SpokenData) -> list[Frames]:
        return [data.log_mel(i) for i in range(data.num_lines)]

    def _texts(self, trained: Trained, data: SpokenData, options: Mapping[str, Any]) -> list[str]:
        return [best.text for best, *_ in recogniser(trained, options)(self._recordings(data))]

    def inputs(self, path: str, settings: CommonSettings) -> Iterator[SoundFile]:  # noqa: ARG002
        """The recordings of a manifest, a folder or an archive; a sound file is one recording."""
        return unlabelled_recordings(path)

    def predict(
        self, trained: Trained, inputs: Sequence[SoundInput], options: Mapping[str, Any]
    ) -> Iterator[Sequence[Transcript]]:
        """The options are `n_best`, `beam_size` and `skip_bad`, with which an unreadable recording has an empty
        transcript."""
        refuse_unknown(options, ("n_best", "beam_size", "proba", "skip_bad"), self.name)
        known = {name: value for name, value in options.items() if name in ("n_best", "beam_size")}
        if not 1 <= known.get("n_best", 1) <= 1_000 or not 1 <= known.get("beam_size", 1) <= 1_000:
            raise RequestError("n_best and beam_size are 1 to 1,000", where="predict", got=dict(known))
        recognise = recogniser(trained, known)
        codec = cast(SpokenCodec, trained.codec)

        def answers() -> Iterator[Sequence[Transcript]]:
            errors: list[SeqloomError] = []
            for window in _windows(codec, inputs, errors if options.get("skip_bad") else None):
                transcripts = recognise([log_mel for log_mel in window if log_mel is not None])
                for log_mel in window:
                    yield [Transcript("", 0.0, 0.0, [])] if log_mel is None else next(transcripts)
            if errors:
                warn_of_skipped(errors, len(inputs))

        return answers()

    def listen(self, trained: Trained, rate: int) -> Listener:
        """A `Listener` for sound at this rate. Raises RequestError if the model needs later sound."""
        model, codec = trained.model, cast(SpokenCodec, trained.codec)
        if not isinstance(model, Transcriber) or not model.causal or codec.features.normalise == "recording":
            raise RequestError(
                "the model needs the whole recording", where="--online",
                hint="train one that reads forward alone, such as gru, lstm or tcn, with features.normalise=running",
            )  # fmt: skip
        if not 1_000 <= rate <= 768_000:
            raise RequestError("the rate is out of range", where="--rate", got=rate, expected="1,000 to 768,000")
        return listener_of(
            model, codec.features, codec.pipeline(), decoder_of(trained, {}), rate or codec.features.rate
        )

    def calibrate(self, trained: Trained, valid: SpokenData) -> None:
        """Fits the weights of the language model."""
        if isinstance(trained.model, Transcriber):
            fit_weights(
                trained,
                list(log_probs(trained, [valid.codec.frames(frames) for frames in self._recordings(valid)])),
                valid.texts,
            )


def _windows(
    codec: SpokenCodec, inputs: Sequence[SoundInput], errors: list[SeqloomError] | None
) -> Iterator[list[Frames | None]]:
    """The log-mel frames of some recordings at a time, which are searched in one batch. The error of an unreadable one,
    whose frames are None, is added to `errors`; without them it is raised, after the window of what stands before."""
    window: list[Frames | None] = []
    steps = 0
    for number, recording in enumerate(inputs, 1):
        try:
            log_mel = codec.log_mel(sound_of(recording, codec.features.rate, f"input {number}"))
        except SeqloomError as error:
            if errors is None:
                yield window
                raise
            errors.append(error)
            window.append(None)
        else:
            window.append(log_mel)
            steps += len(log_mel)
        if len(window) == _RECORDINGS_AT_ONCE or steps >= _STEPS_AT_ONCE:
            yield window
            window, steps = [], 0
    yield window


tasks.register("transcribe")(TranscribeTask())
