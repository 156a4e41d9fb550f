"""What a training takes over from another run: its settings, tokenizer and weights, as far as they fit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqloom.config import Settings, flatten, full_name, leaves
from seqloom.data.codec import SavedCodec
from seqloom.data.corpus import Corpus, CustomRecipe, Recipe, Replay, Sources, prepare
from seqloom.data.growth import form_of
from seqloom.data.input_source import content_hash
from seqloom.errors import RequestError, warn
from seqloom.models.fitted import FittedInOnePass, FittedSettings
from seqloom.run.plan import Ancestor, Plan, make_settings, settings_type
from seqloom.runtime import cache_folder
from seqloom.storage.arrays import map_arrays
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import FitsWithoutGradients
from seqloom.training.checkpoint_folder import current_checkpoint
from seqloom.training.trainer import Initial, Trainer

_OF_CODEC = ("tokenizer", "vocabulary", "features", "phrases")
"""Groups of settings that say how data becomes numbers."""
_MAY_GROW = ("vocab_size", "min_count", "target_vocab_size")
_LAYER_GROUPS = ("model", "encoder")
"""The group of the settings of the layer that reads."""
_TABLE_DIMS = ("embedding.dim", "words.dim")


@dataclass(frozen=True)
class Initialisation:
    """A run to initialise from, for a new training of `task` and `model`. `plan`: that of the run, or of the training
    that is resumed. `codec`: likewise; it grows only in a new training. `checkpoint`: of a training that is resumed."""

    task: str
    model: str
    plan: Plan
    codec: SavedCodec
    ancestry: tuple[Ancestor, ...]
    resumes: bool
    checkpoint: Path | None = None

    @classmethod
    def from_run(cls, folder: Path, task: str, model: str | None) -> Initialisation:
        """Raises RequestError for a folder without a finished run, and for a run without weights to initialise from."""
        plan = Plan.load_trained(folder)
        definition = tasks[plan.task]
        codec = definition.recipe(plan.settings).load(folder)
        fitted = definition.fitted(plan.model, plan.settings) if isinstance(definition, FitsWithoutGradients) else None
        model = model or (plan.model if task == plan.task else _model_with_layer_of(task, plan.model))
        if isinstance(fitted, FittedInOnePass):
            raise RequestError(
                "a model that is fitted in one pass has no weights to initialise from",
                where="--from",
                got=f"{folder}, a run of {plan.task} {plan.model}",
                expected="a run of a network or of word vectors",
                hint="n-gram models are interpolated: --merge RUN" if plan.model == "ngram" else None,
            )
        if fitted is None and issubclass(tasks[task].settings(model), FittedSettings):
            raise RequestError(
                "only a network is initialised from a network",
                where="--from",
                got=f"{plan.task} {plan.model} for {task} {model}",
                expected="--model of a network, or --from a run of word vectors for word vectors",
            )
        if fitted is not None and (task, model) != (plan.task, plan.model):
            raise RequestError(
                "word vectors are initialised from word vectors of the same model",
                where="--from",
                got=f"{plan.task} {plan.model}",
                expected=f"{task} {model}",
                hint="a network takes word vectors by its setting embedding.from",
            )
        ancestor = Ancestor(
            str(folder), plan.task, plan.model, content_hash(str(folder / "model.safetensors")), _digest(codec)
        )
        return cls(task, model, plan, codec, (ancestor, *plan.ancestry), resumes=False)

    @classmethod
    def resumed(cls, out: Path, plan: Plan, folder: Path, task: str, model: str | None) -> Initialisation:
        """That of the training in `out` with this plan, initialised from the run in `folder`. The run need not exist
        any more."""
        if not plan.ancestry or Path(plan.ancestry[0].run).resolve() != folder.resolve():
            raise RequestError(
                "the training was not initialised from this run",
                where=str(out),
                got=str(folder),
                expected=plan.ancestry[0].run if plan.ancestry else "no run: leave --from out",
            )
        weights = folder / "model.safetensors"
        if weights.exists() and content_hash(str(weights)) != plan.ancestry[0].weights:
            warn(
                "the run to initialise from has changed; the training resumes from its own checkpoint",
                where=str(folder),
            )
        checkpoint = current_checkpoint(out / "training")
        codec = tasks[plan.task].recipe(plan.settings).load(out)
        return cls(task, model or plan.model, plan, codec, plan.ancestry, resumes=True, checkpoint=checkpoint)

    @property
    def is_same_model(self) -> bool:
        return (self.task, self.model) == (self.ancestry[0].task, self.ancestry[0].model)

    def settings(self, overrides: Mapping[str, Any], data: str) -> Settings:
        """The settings of the new training. Raises RequestError for overrides that the codec of the run rules out."""
        kind = settings_type(self.task, self.model)
        values = {full_name(kind, name): value for name, value in overrides.items()}
        inherited = flatten(self.plan.settings) if self.resumes else self._inherited(kind)
        inherited = {name: value for name, value in inherited.items() if name in leaves(kind)}
        settings = make_settings(self.task, self.model, values, data, inherited)
        new = flatten(settings)
        for name in values:
            is_of_codec = name.startswith(_OF_CODEC) and not name.endswith(_MAY_GROW)
            if is_of_codec and name in inherited and new[name] != inherited[name]:
                raise RequestError(
                    "a run initialised from another reads its data as that does",
                    where=name,
                    got=values[name],
                    expected=inherited[name],
                )
        return settings

    def _inherited(self, kind: type[Settings]) -> dict[str, Any]:
        """The settings that the new training has by default: of the same model all, otherwise those of the codec, the
        embedding and the layer."""
        known, earlier = leaves(kind), flatten(self.plan.settings)
        if self.is_same_model:
            return earlier | self._fixed(earlier)
        if self.task == self.plan.task:
            groups = (*_OF_CODEC, "data.", "characters.")
            inherited = {name: value for name, value in earlier.items() if name.startswith(groups)}
        else:
            tokenizer = getattr(self.codec, "source_tokenizer", None)
            facts = form_of(tokenizer) if tokenizer is not None else {}
            inherited = {f"tokenizer.{name}": value for name, value in facts.items()}
            inherited |= {"tokenizer.shared": False} if "tokenizer.shared" in known else {}
            if "vocabulary.lowercase" in known and facts:
                inherited |= {"vocabulary.lowercase": facts["lowercase"], "vocabulary.zero_digits": False}
        dim = next((earlier[name] for name in _TABLE_DIMS if name in earlier), None)
        inherited |= {name: dim for name in _TABLE_DIMS if name in known and dim is not None}
        group, earlier_group = (next((g for g in _LAYER_GROUPS if _has(g, names)), "") for names in (known, earlier))
        for name, value in earlier.items():
            first, _, last = name.partition(".")
            if first == earlier_group and f"{group}.{last}" in known and "dropout" not in last:
                inherited[f"{group}.{last}"] = value
        return inherited

    def _fixed(self, earlier: Mapping[str, Any]) -> dict[str, Any]:
        """Settings that follow from the run's weights, because they must not depend on the new data: whether there is a
        CRF, and how an adaptive softmax is divided. Pretrained vectors are part of the weights already."""
        fixed: dict[str, Any] = {"training.freeze": ()} if "training.freeze" in earlier else {}
        fixed |= {name: "" for name in ("embedding.from", "words.from") if name in earlier and self.task != "classify"}
        if isinstance(self.plan.settings, FittedSettings):
            return fixed
        path = Path(self.ancestry[0].run) / "model.safetensors"
        names = _tensor_names(path)
        if self.task == "tag":
            return fixed | {"output": "crf" if "output.legal" in names else "softmax"}
        if "output.kind" not in earlier or "output.softmax.bias" not in names:
            return fixed
        if "output.softmax.cluster_bias" not in names:
            return fixed | {"output.kind": "full"}
        if earlier["output.cutoffs"]:
            return fixed | {"output.kind": "adaptive"}
        from seqloom.nn.output import best_cutoffs

        counts = map_arrays(path, ("token_counts",))["token_counts"]
        return fixed | {"output.kind": "adaptive", "output.cutoffs": tuple(best_cutoffs(counts))}

    def recipe(self, recipe: Recipe[Any, Any] | CustomRecipe, files: Sources) -> Recipe[Any, Any] | CustomRecipe:
        """The recipe of the new training, whose codec begins with that of the run, then what only the replayed data
        has."""
        if self.resumes or files.replay is None:
            return recipe.beginning_with(self.codec, grows=not self.resumes)
        old = _replayed(files, recipe.beginning_with(self.codec, grows=True))
        return recipe.beginning_with(old.codec, grows=True)

    def with_replay(
        self, corpus: Corpus[Any, Any], recipe: Recipe[Any, Any] | CustomRecipe, files: Sources
    ) -> Corpus[Any, Any]:
        """The corpus with the replayed data, encoded by its codec."""
        assert files.replay_share is not None
        old = _replayed(files, recipe.beginning_with(corpus.codec, grows=False))
        return replace(corpus, replay=Replay(old.train, old.valid, files.replay_share))

    def prepare(self, trainer: Trainer) -> None:
        """Lets the trainer initialise the network from the run."""
        nearest = self.ancestry[0]
        trainer.initial = Initial(
            folder=Path(nearest.run),
            weights=nearest.weights,
            settings=None if self.resumes else self.plan.settings,
            is_same_task=self.task == nearest.task,
            is_same_model=self.is_same_model,
            checkpoint=self.checkpoint,
        )

    def taken(self, text: str) -> tuple[Ancestor, ...]:
        """The ancestry, with what was taken from the nearest run."""
        nearest, *others = self.ancestry
        return (replace(nearest, taken=text or nearest.taken), *others)


def _replayed(files: Sources, recipe: Recipe[Any, Any] | CustomRecipe) -> Corpus[Any, Any]:
    """The replayed data, of which the same part is held out as of a training with the same seed of the split."""
    assert files.replay is not None
    return prepare(Sources(files.replay, None, None, files.split_seed, files.split_rule), recipe, cache_folder())


def _model_with_layer_of(task: str, model: str) -> str:
    """The model of `task` that reads with the layer of another task's model, or else the default."""
    names, default = tasks[task].models(), tasks[task].default_model
    return next((name for name in (default.replace("lstm", model), model) if name in names), default)


def _has(group: str, names: Mapping[str, Any]) -> bool:
    return any(name.startswith(f"{group}.") for name in names)


def _tensor_names(path: Path) -> set[str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return set(file.keys())
    except (SafetensorError, OSError) as error:
        raise RequestError("the saved tensors could not be read", where=str(path), got=str(error)) from None


def _digest(codec: SavedCodec) -> str:
    return hashlib.sha256(codec.fingerprint().encode()).hexdigest()
