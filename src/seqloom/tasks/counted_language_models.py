"""Count-based language models and mixtures in the task `language-model`: settings, presets, parts of a mixture."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import create_model

from seqloom.config import Settings, build, read_toml, unused
from seqloom.data.corpus import Recipe
from seqloom.data.readers.lines import lines
from seqloom.data.text_codec import TextCodec, text_recipe
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import TokenizerSettings
from seqloom.errors import RequestError
from seqloom.models.counted import CountBased
from seqloom.models.data_sizes import check_data_sizes
from seqloom.models.fitted import FittedSettings
from seqloom.models.mixture import Mixture, MixtureSettings, Mode, Part
from seqloom.models.ngram.model import NgramModel

COUNTED: dict[str, type[NgramModel] | type[Mixture]] = {"mix": Mixture, "ngram": NgramModel}


_SAMPLED = ("bpe_dropout", "unigram_sampling", "advance", "noise")
_UNUSED = {"mix": _SAMPLED, "ngram": (*_SAMPLED, "batch_size", "horizon", "tokens_per_batch")}
"""The settings of data that a model does not use: it is fitted in one pass. A mixture is evaluated in batches."""


def counted_settings(model: str, data: type[Settings]) -> type[Settings]:
    """The settings class, without settings of a network."""
    model_settings = COUNTED[model].settings
    data = unused(data, _UNUSED[model])
    # A mixture reads the text with the tokenizer of its parts.
    tokenizer = unused(TokenizerSettings, TokenizerSettings.model_fields) if model == "mix" else TokenizerSettings
    fields: dict[str, Any] = {"tokenizer": (tokenizer, tokenizer()), "data": (data, data())}
    return create_model("CountedSettings", __base__=FittedSettings, **fields, model=(model_settings, model_settings()))


def counted_preset(model: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """An n-gram model reads lines. A mixture reads a stream if one of its parts was trained on one."""
    modes = []
    if model == "mix":
        parts = build(MixtureSettings, {"parts": overrides.get("model.parts", ())}).parts
        modes = [mode_of(_config(Path(name))) for name in parts]
    if overrides.get("model.merge"):
        earlier = _config(Path(str(overrides["model.merge"])))
        if earlier.get("model") != "ngram":
            raise RequestError(
                "an n-gram model is merged with an n-gram model", where="model.merge", got=earlier.get("model")
            )
        with _refusing_damage(Path(str(overrides["model.merge"]))):
            tokenizer = earlier["settings"]["tokenizer"].items()
        return {"data.mode": "lines"} | {f"tokenizer.{name}": value for name, value in tokenizer}
    return {"data.mode": "stream" if "stream" in modes else "lines"}


def make_counted(model: str, settings: Any, open_part: Callable[[Path], Part]) -> CountBased:
    if model == "mix":
        return Mixture(settings.model, settings.data.mode, open_part)
    return NgramModel(settings.model)


def mode_of(config: Mapping[str, Any]) -> Mode | None:
    """How a run reads its text; None for an n-gram model, in which the end of a line begins the next."""
    return None if config["model"] == "ngram" else config["settings"]["data"]["mode"]


def open_part(
    folder: Path, settings_of: Callable[[str], type[Settings]], load: Callable[[Path, str, Settings], Any]
) -> Part:
    """A run as a part of a mixture. `load` opens the network in a folder, given its model and settings."""
    config = _config(folder)
    with _refusing_damage(folder):
        values = {name: value for name, value in config["settings"].items() if name != "training"}
        settings = settings_of(config["model"]).model_validate(values)
    network = load(folder, config["model"], settings)
    codec = TextCodec.load(folder)
    check_data_sizes(network, codec.facts(), str(folder))
    return Part(network, mode_of(config), codec.fingerprint())


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.toml"
    if not path.exists():
        raise RequestError("the folder holds no run", where=str(folder), expected="a folder with config.toml")
    config = read_toml(path)
    if config.get("task") != "language-model":
        raise RequestError(
            "only language models can be mixed", where=str(folder), got=config.get("task"), expected="language-model"
        )
    with _refusing_damage(folder):
        mode_of(config)
    return config


@contextlib.contextmanager
def _refusing_damage(folder: Path) -> Iterator[None]:
    """Raises RequestError where the configuration of the run in `folder` does not have what the block looks for."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        where = str(folder / "config.toml")
        raise RequestError("the run's configuration is damaged", where=where, got=repr(error)) from None


def merged_recipe(plain: Recipe[str, TokenFile], folder: str) -> Recipe[str, TokenFile]:
    """The recipe with the vocabulary of the run to merge with first. A run that was merged before does not need it."""
    if not (Path(folder) / "tokenizer.json").exists():
        return plain
    return plain.beginning_with(TextCodec.load(Path(folder)), grows=True)


def mixture_recipe(settings: Any) -> Recipe[str, TokenFile]:
    """Reads the text with the tokenizer of the parts."""
    columns = settings.data.columns
    plain = text_recipe(partial(lines, columns=columns), settings.tokenizer).depending_on(columns)
    parts = settings.model.parts
    first = Path(parts[0]) if parts else Path()
    known = first / "tokenizer.json"

    def learn(lines: Callable[[], Iterable[str]], where: str) -> TextCodec:  # noqa: ARG001
        if not parts:
            raise RequestError("a mixture needs parts", where="model.parts", hint="--set model.parts=RUN1,RUN2")
        return TextCodec.load(first)

    fingerprint = TextCodec.load(first).fingerprint() if known.exists() else ""
    return replace(plain, learn=learn, settings=plain.settings + fingerprint)
