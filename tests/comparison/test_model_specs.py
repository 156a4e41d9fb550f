"""Names of models with settings, and sizes with an equal number of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from seqloom.comparison.equal_size import equal_sizes, solve
from seqloom.comparison.model_specs import folder_names, parse_model, split_names
from seqloom.comparison.spec import make_spec
from seqloom.errors import RequestError


def test_a_list_of_models_is_split_outside_of_values() -> None:
    names = 'lstm, lstm:num_layers=2:dropout=0.5 ,mix:parts=["a,b", "c"],,transformer'
    assert split_names(names) == ["lstm", "lstm:num_layers=2:dropout=0.5", 'mix:parts=["a,b", "c"]', "transformer"]


def test_a_name_holds_settings() -> None:
    spec = parse_model("lstm+attention:encoder.num_layers=2:decoder.num_layers=3:tied=false", "translate")
    assert spec.model == "lstm+attention"
    assert spec.settings == {"encoder.num_layers": 2, "decoder.num_layers": 3, "output.tied": False}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lstn:num_layers=2", "lstm"),
        ("lstm:num_layer=2", "num_layers"),
        ("lstm:num_layers", "has no value"),
        ("num_layers=2", "where a model is expected"),
        ("lstm:num_layers=2:layers=3", "given twice"),
        ("lstm:tokenizer.kind=bpe", "tokenizer is the same"),
    ],
)
def test_a_wrong_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        parse_model(name, "language-model")


def test_folders_differ_where_names_do() -> None:
    folders = folder_names(["lstm", "lstm:a=1", "lstm=a=1", "LSTM", "x" * 300, "x" * 301])
    assert folders["lstm"] == "lstm"
    assert len({folder.lower() for folder in folders.values()}) == 6
    assert all("/" not in folder and ":" not in folder and len(folder) < 110 for folder in folders.values())


@pytest.mark.parametrize("target", [20_000, 700_000, 3_210_987])
def test_sizes_are_solved_within_two_percent(target: int) -> None:
    """An embedding of fixed size, a coarse size and a fine one."""

    def count(sizes: Mapping[str, int]) -> int:
        return 10_000 + 4 * sizes["dim"] ** 2 + 2 * sizes["dim"] * sizes["hidden"]

    sizes = solve(count, {"dim": 128, "hidden": 512}, {"dim": 32, "hidden": 1}, target, "x")
    assert sizes["dim"] % 32 == 0
    assert abs(count(sizes) - target) <= 0.02 * target


@pytest.mark.parametrize(("dim", "expected"), [(8, None), (64, "ffnn, to equal lstm")])
def test_a_network_of_embeddings_is_solved_or_refused(dim: int, expected: str | None, tmp_path: Path) -> None:
    """The classifier `ffnn` has no layer, but hidden layers over its embeddings, which may be too large."""
    data = tmp_path / "labelled.tsv"
    data.write_text("".join(f"{'ab'[i % 2]}\tword{i % 20} and{i // 20}\n" for i in range(400)), encoding="utf-8")
    settings = {"lstm:embedding.dim": 8, "lstm:model.hidden_size": 16, "ffnn:embedding.dim": dim}
    spec = make_spec("classify", str(data), None, None, ["lstm", "ffnn"], 1, {"updates": 1}, 1, settings, "parameters")
    if expected is None:
        assert equal_sizes(spec, tmp_path)["ffnn"].keys() == {"model.hidden_size"}
    else:
        with pytest.raises(RequestError, match=expected):
            equal_sizes(spec, tmp_path)


def test_a_number_of_parameters_out_of_reach_is_refused() -> None:
    with pytest.raises(RequestError, match="same number of parameters"):
        solve(lambda sizes: 50_000 + sizes["hidden"], {"hidden": 64}, {"hidden": 1}, 20_000, "x")
