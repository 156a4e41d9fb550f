"""A trained model and its folder: metrics, answers, log-probabilities, text, forecasts and vectors from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from seqloom.data.codec import Data
from seqloom.data.corpus import encode
from seqloom.data.input_checks import checked_inputs
from seqloom.data.input_source import DataSource, path_of
from seqloom.data.readers import readers
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import STANDARD_INPUT
from seqloom.memory import within_memory
from seqloom.metrics.similarity import Similarity, similarity
from seqloom.models.data_sizes import check_data_sizes
from seqloom.models.pooling_names import AUTO, check_pooling
from seqloom.run.answer_options import AnswerOptions, SearchOptions, names_options
from seqloom.run.notebook import fact_table
from seqloom.run.plan import Plan, copy_run, sizes, trainer_for
from seqloom.runtime import Runtime, cache_folder
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import (
    AdaptsToText,
    AlignsExamples,
    Diagnoses,
    Embeds,
    FormsEnsembles,
    Generates,
    Prediction,
    Predicts,
    PredictsOnline,
    ScoresByLength,
    ScoresExamples,
    ScoresTokens,
    TakesInputs,
    Trained,
)
from seqloom.tasks.forecast_capability import Forecasts
from seqloom.tasks.measure import measure
from seqloom.tasks.task import Task
from seqloom.tasks.transcribe_capability import Listens, ScoresByGroup, StudiesTranscripts
from seqloom.training.reports import read_summary

if TYPE_CHECKING:
    from seqloom.data.series.panel import Panel
    from seqloom.decoding.alignment import Alignment
    from seqloom.decoding.line_scores import LineScores, TokenScore
    from seqloom.explain.explanation import Explanation
    from seqloom.metrics.by_length import LengthScores
    from seqloom.metrics.classification import Diagnosis
    from seqloom.metrics.forecasting import Anomaly, ForecastRow, ForecastScores, ForecastStudy
    from seqloom.metrics.transcription import TranscriptScores, TranscriptStudy
    from seqloom_portable.listening import Listener


_OF_ENSEMBLES = (
    AlignsExamples, Diagnoses, Predicts, ScoresByLength, ScoresExamples, ScoresTokens, TakesInputs
)  # fmt: skip
"""What an ensemble can do besides its metrics."""


def load(folder: str | Path, *, device: str = "auto", threads: int = 0) -> Run:
    """Loads the run in a folder. Nothing in the folder is executed.

    Raises RequestError where the folder holds no run, or one whose training has not saved a model yet.
    """
    folder = Path(folder)
    plan = Plan.load_trained(folder)
    task = tasks[plan.task]
    codec = task.recipe(plan.settings).load(folder)
    trainer = trainer_for(task, plan.model, plan.settings)
    trainer.start(device=device, threads=threads, seed=plan.seed, training=False)
    with within_memory(sizes(plan.settings)):
        model = trainer.open(folder)
    check_data_sizes(model, codec.facts(), str(folder))
    return Run(folder, plan, model, codec, trainer.runtime)


class Run:
    """A trained model with its codec, settings and folder."""

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        model: Any,
        codec: Any,
        runtime: Runtime,
        adapts: bool = False,
        members: int = 1,
    ) -> None:
        """`adapts`: the model adapts to the text that it reads. `members`: the number of runs that answer together."""
        self.folder, self.plan, self.runtime = folder, plan, runtime
        self._adapts, self._members = adapts, members
        self.task: Task = tasks[plan.task]
        self.trained = Trained(model, codec, plan.settings)

    def __repr__(self) -> str:
        return f"Run({', '.join(f'{name}={value}' for name, value in self._facts().items())})"

    def _repr_html_(self) -> str:
        """A table of the same facts, for notebooks."""
        return fact_table(self._facts())

    def _facts(self) -> dict[str, Any]:
        """Task, model, size and folder, and the score on held-out data if the training has ended."""
        facts = {"task": self.plan.task, "model": self.plan.model, "parameters": f"{self.num_parameters():,}"}
        if self._members > 1:
            return facts | {"runs": str(self._members)}
        summary = self.summary
        for part in ("test", "valid"):
            if (value := (summary.get(part) or {}).get(summary.get("score"))) is not None:
                return facts | {f"{part}_{summary['score']}": f"{value:.4g}", "folder": str(self.folder)}
        return facts | {"folder": str(self.folder)}

    @property
    def model(self) -> Any:
        """The network (an `nn.Module`), or the fitted model of a task without networks."""
        return self.trained.model

    @property
    def codec(self) -> Any:
        return self.trained.codec

    @property
    def summary(self) -> dict[str, Any]:
        """What was measured when the training ended: scores, speed, parameters, peak memory."""
        return read_summary(self.folder)

    def num_parameters(self) -> int:
        """The parameters of a network; the numbers that a fitted model stores."""
        return self.trained.num_parameters()

    def read(self, data: DataSource, columns: Mapping[str, str | int] | None = None) -> Any:
        """Encodes other data with this run's codec. `evaluate`, `evaluate_by_length` and `diagnose` take the result, so
        that the data is read once for all of them. `data`, `columns`: as for `seqloom.train`, by default the columns of
        the training."""
        path = path_of(data, cache_folder())
        encoded = encode(path, self.task.recipe(self.plan.reading(columns)), self.codec, cache_folder())
        if not len(encoded):
            raise SeqloomError("there is nothing to evaluate on", where=path, expected="at least one example")
        return encoded

    def evaluate(self, data: DataSource | Data) -> dict[str, Any]:
        """The metrics of the task on other data, by name."""
        encoded = self._encoded(data)
        if self._adapts:
            return self._able(AdaptsToText, "adapt to a text").measure_in_order(self.trained, encoded)
        return measure(self.task, self.trained, encoded, self.runtime.device)

    def adapted(self, *, cache: int = 0, learning_rate: float = 0.0) -> Run:
        """This run with a language model that adapts to the text that it reads: by a neural cache of so many tokens
        (Grave et al. 2017), by dynamic evaluation with this learning rate (Krause et al. 2018), or by both. Each token
        is predicted before the model adapts to it.

        `evaluate`, `score` and `score_tokens` of the result read all lines in order as one text, and begin anew with
        each call. `generate` adapts to the prompt, and its cache also holds the generated tokens."""
        from seqloom.models.adaptation import Adaptation

        task = self._able(AdaptsToText, "adapt to a text")
        trained = task.adapted(self.trained, Adaptation(cache, learning_rate))
        return Run(self.folder, self.plan, trained.model, self.codec, self.runtime, adapts=True)

    def ensemble(self, others: Sequence[Run]) -> Run:
        """This run together with `others`, such as those with other seeds: answers, metrics and scores of the result
        are those of all models. Raises RequestError unless they are of one task and share their tokenizers and labels.

        Translators and models of `describe` average the probabilities of the next token. If one is a joint n-gram
        model, all of them propose targets, and the one with the highest mean log-probability wins. Classifiers average
        the probabilities of classes or labels, or their numbers, and taggers the logarithms of the probabilities of
        whole sequences of tags."""
        task = self._able(FormsEnsembles, "form an ensemble")
        for run in others:
            if run.plan.task != self.plan.task:
                raise RequestError(
                    "the runs of an ensemble must be of one task", where=str(run.folder), got=run.plan.task,
                    expected=self.plan.task,
                )  # fmt: skip
        members = [self, *others]
        trained = task.ensemble([run.trained for run in members])
        return Run(self.folder, self.plan, trained.model, self.codec, self.runtime, members=len(members))

    def evaluate_by_length(self, data: DataSource | Data) -> list[LengthScores]:
        """The metrics on other data by the length of the source, which show what is lost on long sources."""
        task = self._able(ScoresByLength, "be scored by length")
        return task.scores_by_length(self.trained, self._encoded(data))

    def diagnose(self, data: DataSource | Data) -> Diagnosis:
        """The confusion matrix on other data, and the examples on which the model was confident and wrong."""
        return self._able(Diagnoses, "be diagnosed").diagnose(self.trained, self._encoded(data))

    def _encoded(self, data: DataSource | Data) -> Any:
        return data if isinstance(data, Data) else self.read(data)

    def score(self, examples: Iterable[Any]) -> LineScores:
        """The log-probability of each example in nats, in the order of `examples`. An example is a line of text for a
        language model and a pair (source, target) for a translator."""
        return self._able(ScoresExamples, "score").score_examples(self.trained, checked_inputs(examples))

    def score_tokens(self, examples: Iterable[Any]) -> list[list[TokenScore]]:
        """The tokens of each example, `<eos>` included, with their log-probabilities, which add up to its `score`."""
        return self._able(ScoresTokens, "score tokens").score_tokens(self.trained, checked_inputs(examples))

    def align(self, examples: Iterable[Any]) -> Iterator[Alignment]:
        """Yields the attention of each target to its source, for pairs (source, target)."""
        return self._able(AlignsExamples, "align").align_examples(self.trained, checked_inputs(examples))

    def examples(self, path: str, columns: Mapping[str, str | int] | None = None) -> Iterator[Any]:
        """Yields the examples of a file as `score` takes them."""
        task = self._able(ScoresExamples, "score")
        settings = self.plan.reading(columns)
        return (example for file in self.plan.files(path) for example in task.examples(file, settings))

    def generate(
        self,
        prompt: str = "",
        *,
        max_tokens: int = 200,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 1,
        unknown: bool = False,
        no_repeat_ngrams: int = 0,
        repetition_penalty: float = 1.0,
    ) -> Iterator[str]:
        """Yields the text that follows `prompt`, piece by piece, at most `max_tokens` tokens.

        `temperature`: 0 takes the most probable token at each step. `top_k`: sample from the k most probable tokens
        (0: all). `top_p`: sample from the most probable tokens that together have this probability. `seed`: equal seeds
        give equal texts. `unknown`: allow the token `<unk>`. `no_repeat_ngrams`: no n-gram of so many tokens occurs
        twice, the prompt included (0: any may). `repetition_penalty`: above 1, tokens that occurred before become less
        probable. A model of lines stops at the end of the line; a model of a stream does not stop by itself.
        """
        task = self._able(Generates, "generate")
        from seqloom.decoding.continuation import Continuation
        from seqloom.decoding.sampling import Sampling
        from seqloom.decoding.token_rules import TokenRules

        (prompt,) = checked_inputs([prompt])
        rules = TokenRules(no_repeat_ngrams, repetition_penalty)
        options = Continuation(max_tokens, Sampling(temperature, top_k, top_p), seed, unknown, rules)
        return task.generate(self.trained, prompt, options)

    def inputs(self, path: str, columns: Mapping[str, str | int] | None = None) -> Iterator[Any]:
        """Yields the inputs of a file in order, as `predict`, `answers` and `embed` take them: lines of text, or the
        sequences that the task reads."""
        task = self._able(TakesInputs, "take inputs")
        settings = self.plan.reading(columns)
        return (item for file in self.plan.files(path) for item in task.inputs(file, settings))

    @names_options(SearchOptions)
    def predict(self, inputs: Iterable[Any], **options: Unpack[SearchOptions]) -> list[str]:
        """The best answer to each input, as text. `SearchOptions` describes the options; `answers` returns more."""
        return [best.text for best, *_ in self.answers(inputs, **options)]

    @names_options(AnswerOptions)
    def answers(self, inputs: Iterable[Any], **options: Unpack[AnswerOptions]) -> Iterator[Sequence[Prediction]]:
        """Yields the answers to each input, the best first. `AnswerOptions` describes the options.

        Raises RequestError at once for an option that the task does not have.
        """
        changes = {name: value for name, value in options.items() if value is not None}
        return self._able(Predicts, "predict").predict(self.trained, checked_inputs(inputs), changes)

    def forecast(
        self, data: DataSource | None = None, *, horizon: int = 0, paths: int = 0, seed: int = 1
    ) -> Iterator[ForecastRow]:
        """Yields the forecast of each series of `data`, step by step; without `data`, of the training data.

        `horizon`: steps ahead; 0: as in training. `paths`: how many sample paths are added to the quantiles."""
        task = self._able(Forecasts, "forecast")
        return task.forecast(self.trained, self._panel(task, data), horizon, paths, seed)

    def anomalies(self, data: DataSource | None = None) -> Iterator[Anomaly]:
        """Yields how probable each value of each series was, given the values before it."""
        task = self._able(Forecasts, "forecast")
        return task.anomalies(self.trained, self._panel(task, data))

    def backtest(
        self, data: DataSource | Data, *, horizon: int = 0, origins: int = 0, step: int = 0, refit: bool = True
    ) -> ForecastScores:
        """Scores forecasts from rolling origins: the last `origins` of each series, `step` steps apart (0: as the run
        was set up). `refit`: fit a model of one series again at each origin."""
        task, encoded = self._able(Forecasts, "forecast"), self._encoded(data)
        return task.backtest(self.trained, encoded, horizon=horizon, origins=origins, step=step, refit=refit)

    def study(
        self, data: DataSource | Data, *, horizon: int = 0, origins: int = 0, step: int = 0, refit: bool = True
    ) -> ForecastStudy:
        """The contents of a page of forecasts: the scores of `backtest` and some of the series."""
        task, encoded = self._able(Forecasts, "forecast"), self._encoded(data)
        return task.study(self.trained, encoded, horizon=horizon, origins=origins, step=step, refit=refit)

    def _panel(self, task: Forecasts, data: DataSource | None) -> Panel:
        if data is None:
            data = self.plan.sources.data
            if data != STANDARD_INPUT and not Path(data).exists():
                raise RequestError(
                    "the run's training data is not found",
                    where=data,
                    got=f"no file {Path(data).absolute()}",
                    hint="name the file with the series: seqloom predict RUN FILE",
                )
        return task.panel(self.trained, path_of(data, cache_folder()))

    def online(self) -> Callable[[str], str]:
        """A function that answers the next element of a sequence at once. An empty element begins another sequence."""
        return self._able(PredictsOnline, "answer element by element").online(self.trained)

    def listen(self, rate: int) -> Listener:
        """Returns an object that transcribes sound as it comes, at `rate` samples per second."""
        return self._able(Listens, "listen").listen(self.trained, rate)

    def study_transcripts(self, data: DataSource | Data) -> TranscriptStudy:
        """Returns what a page of transcripts shows: scores by group and the worst recordings."""
        return self._able(StudiesTranscripts, "be studied").study_transcripts(self.trained, self._encoded(data))

    def evaluate_by_group(self, data: DataSource | Data) -> dict[str, list[TranscriptScores]]:
        """Returns the scores on other data by the number of words and by speaker, if the task has such groups."""
        return self._able(ScoresByGroup, "be scored by group").scores_by_group(self.trained, self._encoded(data))

    def embed(self, inputs: Iterable[Any], pooling: str = AUTO) -> NDArray[np.float32]:
        """A vector for each input, (inputs, dimension); zeros if all tokens of the input are unknown.

        `pooling`: `word-mean`, `word-sum`, `last`, `mean` or `max` (see `seqloom embed`); `auto` takes the one that
        does well with the models of the task."""
        check_pooling(pooling)
        vectors = list(self._able(Embeds, "embed").embed(self.trained, checked_inputs(inputs), pooling))
        return np.stack(vectors) if vectors else np.zeros((0, 0), dtype=np.float32)

    def similarity(self, path: str, pooling: str = AUTO) -> Similarity:
        """The correlation of cosines with human ratings, from a file of `text TAB text TAB score`."""
        rated = list(readers["rated-pairs"](path))
        texts = {text: place for place, text in enumerate(dict.fromkeys(text for pair in rated for text in pair[:2]))}
        vectors = self.embed(list(texts), pooling)
        first, second = (vectors[[texts[pair[side]] for pair in rated]] for side in (0, 1))
        return similarity(first, second, [pair.score for pair in rated], where=path)

    def explain(
        self,
        data: DataSource,
        *,
        columns: Mapping[str, str | int] | None = None,
        example: int | None = None,
        text: str | None = None,
    ) -> Explanation:
        """Why the model does, or does not, learn long dependencies: a verdict, what to change, and a page of charts
        (`write`). `example`: the number of the example whose inputs are weighed, from 1 on, or `text`;
        with neither, the first that can be weighed."""
        self._check_alone("be explained")
        # The one import that goes up, so that users find this among the methods of a run (pyproject.toml allows it).
        from seqloom.explain.explanation import explain

        return explain([self], data, columns=columns, example=example, text=text)

    def save(self, folder: str | Path) -> None:
        """Copies the run to another folder, without the checkpoint that `resume` needs."""
        self._check_alone("be saved")
        copy_run(self.folder, Path(folder))

    def _able(self, capability: Any, what: str) -> Any:
        """The task. Raises RequestError if it does not have the capability."""
        if capability not in _OF_ENSEMBLES:
            self._check_alone(what)
        if not isinstance(self.task, capability):
            able = ", ".join(name for name in tasks if isinstance(tasks[name], capability))
            raise RequestError(
                f"a run of {self.plan.task} cannot {what}", where=str(self.folder), expected=f"a run of {able}"
            )
        return self.task

    def _check_alone(self, what: str) -> None:
        """Raises RequestError if this is an ensemble."""
        if self._members > 1:
            raise RequestError(
                f"an ensemble cannot {what}", got=f"an ensemble of {self._members} runs", expected="a single run"
            )
