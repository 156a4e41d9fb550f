"""A trained model and its folder: evaluated, asked for scores, answers and text, copied."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from seqloom.config import read_toml
from seqloom.data.corpus import encode
from seqloom.data.readers import readers
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import make_folder
from seqloom.metrics.similarity import Similarity, similarity
from seqloom.models.fitted import PARTS, Fitted, FittedByPasses
from seqloom.models.pooling_names import AUTO, check_pooling
from seqloom.run.plan import Plan
from seqloom.runtime import Runtime, cache_folder
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import (
    Diagnoses,
    Embeds,
    FitsWithoutGradients,
    Generates,
    Prediction,
    Predicts,
    PredictsOnline,
    ScoresByLength,
    ScoresExamples,
    ScoresWithoutBatches,
    TakesInputs,
    Trained,
)
from seqloom.tasks.task import Task

if TYPE_CHECKING:
    from seqloom.decoding.line_scores import LineScores
    from seqloom.metrics.by_length import LengthScores
    from seqloom.metrics.classification import Diagnosis


def load(folder: str | Path, *, device: str = "auto", threads: int = 0) -> Run:
    """Opens a run folder. Nothing in it is executed."""
    folder = Path(folder)
    if not (folder / "config.toml").exists():
        raise RequestError("this is not the folder of a run", where=str(folder), expected="a folder with config.toml")
    plan = Plan.from_toml(read_toml(folder / "config.toml"), folder / "config.toml")
    if not (folder / "model.safetensors").exists():
        raise RequestError(
            "the run has no model yet", where=str(folder), hint="its training was killed early; go on with --resume"
        )
    task = tasks[plan.task]
    codec = task.recipe(plan.settings).load(folder)
    fitted = task.fitted(plan.model, plan.settings) if isinstance(task, FitsWithoutGradients) else None
    if isinstance(fitted, FittedByPasses):
        runtime = Runtime.of_loops(device=device, threads=threads, seed=plan.seed)
        fitted.open(folder)
        return Run(folder, plan, fitted, codec, runtime)
    runtime = Runtime.start(device=device, precision="float32", threads=threads, seed=plan.seed)
    # Torch is large and slow to import.
    if fitted is not None:
        from seqloom.run.at_once import open_counted

        return Run(folder, plan, open_counted(cast(Any, fitted), folder, runtime), codec, runtime)
    from seqloom.run.by_gradients import open_network

    return Run(folder, plan, open_network(task, plan, folder, runtime), codec, runtime)


class Run:
    """A trained model with its codec, settings and folder."""

    def __init__(self, folder: Path, plan: Plan, model: Any, codec: Any, runtime: Runtime) -> None:
        self.folder, self.plan, self.runtime = folder, plan, runtime
        self.task: Task = tasks[plan.task]
        self.trained = Trained(model, codec, plan.settings)

    @property
    def model(self) -> Any:
        """A network, an `nn.Module`, or what else the task's models are."""
        return self.trained.model

    @property
    def codec(self) -> Any:
        return self.trained.codec

    @property
    def summary(self) -> dict[str, Any]:
        """What was measured when training ended: scores, rate, parameters, peak memory."""
        path = self.folder / "summary.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def num_parameters(self) -> int:
        """Those of a network; of a fitted model, the numbers that it holds."""
        if isinstance(self.model, Fitted):
            return self.model.num_parameters()
        return sum(p.numel() for p in self.model.parameters())

    def read(self, path: str) -> Any:
        """Another file as data of this run's codec."""
        data = encode(path, self.task.recipe(self.plan.settings), self.codec, cache_folder())
        if not len(data):
            raise SeqloomError("there is nothing to evaluate on", where=path, expected="at least one line of text")
        return data

    def evaluate(self, path: str) -> dict[str, Any]:
        """The task's metrics on another file, by their plain names."""
        return self.scores(self.read(path))

    def diagnose(self, data: Any) -> Diagnosis:
        """What is confused with what in data that is prepared already, and where the model was sure and wrong."""
        return self._able(Diagnoses, "be diagnosed").diagnose(self.trained, data)

    def evaluate_by_length(self, path: str) -> list[LengthScores]:
        """The scores on another file in buckets of the source's length: what is lost on long ones."""
        return self._able(ScoresByLength, "be scored by length").scores_by_length(self.trained, self.read(path))

    def scores(self, data: Any) -> dict[str, Any]:
        """The task's metrics on data that is prepared already."""
        if isinstance(self.task, ScoresWithoutBatches):
            return self.task.measure(self.trained, data)
        from seqloom.tasks.network_task import NetworkTask, evaluate

        assert isinstance(self.task, NetworkTask)
        return evaluate(self.task, self.trained, data, self.runtime.device)

    def score(self, examples: Sequence[Any]) -> LineScores:
        """The log-probability of each example on its own, in nats, in the order given: a line of text for a language
        model, a pair (source, target) for a translator."""
        return self._able(ScoresExamples, "score").score_examples(self.trained, examples)

    def examples(self, path: str) -> Iterator[Any]:
        """What `score` takes, of each line of a file."""
        return self._able(ScoresExamples, "score").examples(path, self.plan.settings)

    def generate(self, prompt: str = "", **asked: Any) -> Iterator[str]:
        """Yields the text that follows `prompt`, piece by piece; see `Continuation` for what can be `asked`.

        A model of lines stops at the end of the line; a model of a stream goes on after it.
        """
        task = self._able(Generates, "generate")
        from seqloom.decoding.continuation import Continuation

        return task.generate(self.trained, prompt, Continuation(**asked))

    def inputs(self, path: str) -> Iterator[Any]:
        """What `answers` and `embed` take, of a file in order: a line of text, or what else the task is asked with."""
        return self._able(TakesInputs, "take inputs").inputs(path, self.plan.settings)

    def predict(self, inputs: Sequence[Any], **asked: Any) -> list[str]:
        """The best answer to each line of text, or to each of the task's own inputs."""
        return [answers[0].text for answers in self.answers(inputs, **asked)]

    def answers(self, inputs: Sequence[Any], **asked: Any) -> Iterator[Sequence[Prediction]]:
        """Yields the answers to each input, the best first, with all that is known of them."""
        return self._able(Predicts, "predict").predict(self.trained, inputs, asked)

    def online(self) -> Callable[[str], str]:
        """What takes the next element of a new sequence and answers it at once."""
        return self._able(PredictsOnline, "answer element by element").online(self.trained)

    def embed(self, inputs: Sequence[Any], pooling: str = AUTO) -> NDArray[np.float32]:
        """A vector for each input, (inputs, size); zeros where nothing of it is known. See
        `models.sentence_vectors.poolings`; `auto` is what does well with the task's models."""
        vectors = list(self.vectors(inputs, pooling))
        return np.stack(vectors) if vectors else np.zeros((0, 0), dtype=np.float32)

    def vectors(self, inputs: Sequence[Any], pooling: str = AUTO) -> Iterator[NDArray[np.float32]]:
        """The same one by one."""
        check_pooling(pooling)
        return self._able(Embeds, "embed").embed(self.trained, inputs, pooling)

    def similarity(self, path: str, pooling: str = AUTO) -> Similarity:
        """How well the cosines of texts go with what people say of them: a file of `text TAB text TAB score`."""
        rated = list(readers["rated-pairs"](path))
        texts = {text: place for place, text in enumerate(dict.fromkeys(text for pair in rated for text in pair[:2]))}
        vectors = self.embed(list(texts), pooling)
        first, second = (vectors[[texts[pair[side]] for pair in rated]] for side in (0, 1))
        return similarity(first, second, [pair.score for pair in rated], where=path)

    def save(self, folder: str | Path) -> None:
        """Copies the run (not what is needed to resume it) to another folder."""
        target = Path(folder)
        if target.exists() and any(target.iterdir()):
            raise RequestError("the folder is not empty", where=str(target))
        make_folder(target)
        for path in sorted(self.folder.iterdir()):
            if path.is_file() and not path.name.startswith("."):
                shutil.copy2(path, target / path.name)
        if (self.folder / PARTS).exists():
            shutil.copytree(self.folder / PARTS, target / PARTS)

    def _able(self, capability: Any, what: str) -> Any:
        """The task, where it has the capability."""
        if not isinstance(self.task, capability):
            able = ", ".join(name for name in tasks if isinstance(tasks[name], capability))
            raise RequestError(
                f"a run of {self.plan.task} cannot {what}", where=str(self.folder), expected=f"a run of {able}"
            )
        return self.task
