"""Settings: dotted names, short names, assignments, and errors that name the setting."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError, model_validator

from seqloom.config import Settings, build, flatten, full_name, leaves, parse_assignments, read_toml, write_toml
from seqloom.errors import RequestError, SeqloomError, unknown_name


class Model(Settings):
    num_layers: int = Field(2, gt=0)
    order: int = Field(5, gt=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    kind: Literal["small", "large"] = "small"

    @model_validator(mode="after")
    def _order_fits(self) -> Model:
        if self.order < self.num_layers:
            raise ValueError("an order of at least num_layers")
        return self


class Output(Settings):
    dropout: float = 0.0
    tied: bool = True


class Root(Settings):
    model: Model = Model()
    output: Output = Output()
    seed: int = 1


def test_leaves_have_dotted_names() -> None:
    names = ["model.num_layers", "model.order", "model.dropout", "model.kind", "output.dropout", "output.tied", "seed"]
    assert list(leaves(Root)) == names
    assert leaves(Root)["model.order"] is Model
    assert list(flatten(Root())) == names


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ("model.order", "model.order"),
        ("order", "model.order"),
        ("layers", "model.num_layers"),
        ("num_layers", "model.num_layers"),
        ("output.dropout", "output.dropout"),
        ("seed", "seed"),
    ],
)
def test_a_short_name_stands_for_the_one_leaf_it_ends(given: str, full: str) -> None:
    assert full_name(Root, given) == full


def test_a_short_name_may_have_dots() -> None:
    class Task(Settings):
        root: Root = Root()

    assert full_name(Task, "model.order") == "root.model.order"
    assert full_name(Task, "output.dropout") == "root.output.dropout"
    with pytest.raises(RequestError, match="there is no setting"):
        full_name(Task, "del.order")


def test_an_ambiguous_name_is_refused_with_the_choices() -> None:
    with pytest.raises(RequestError) as caught:
        full_name(Root, "dropout")
    assert caught.value.expected == "model.dropout, output.dropout"


@pytest.mark.parametrize(
    ("given", "nearest"), [("model.ordr", "model.order"), ("output.tie", "output.tied"), ("sede", "seed")]
)
def test_an_unknown_name_gets_the_nearest(given: str, nearest: str) -> None:
    with pytest.raises(RequestError) as caught:
        full_name(Root, given)
    assert repr(given) in caught.value.what
    assert caught.value.hint == f"did you mean {nearest!r}?"


@pytest.mark.parametrize("given", ["model", "model.order.x", "", "zzzzzz"])
def test_what_is_no_leaf_is_no_setting(given: str) -> None:
    with pytest.raises(RequestError, match="there is no setting"):
        full_name(Root, given)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("1e-3", 1e-3),
        ("true", True),
        ("True", "True"),
        ("small", "small"),
        ('"a b"', "a b"),
        ("[1, 2]", [1, 2]),
        (" small ", "small"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_values_are_toml_or_plain_text(text: str, value: object) -> None:
    assert parse_assignments([f"model.kind={text}"]) == {"model.kind": value}


def test_later_assignments_win() -> None:
    assert parse_assignments(["order=2", " order =3"]) == {"order": 3}


@pytest.mark.parametrize("text", ["order", "=3", " =3", ""])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_assignments([text])
    assert (caught.value.where, caught.value.got) == ("--set", text)


def test_later_layers_lie_over_earlier_ones() -> None:
    settings = build(Root, {"model.order": 7, "tied": False}, {"order": 9, "output.dropout": 0.5})
    assert settings == Root(model=Model(order=9), output=Output(tied=False, dropout=0.5))
    assert build(Root) == Root()


@pytest.mark.parametrize(
    ("name", "value", "where"),
    [
        ("layers", 0, "model.num_layers"),
        ("layers", "many", "model.num_layers"),
        ("layers", 1.5, "model.num_layers"),
        ("model.dropout", 1.0, "model.dropout"),
        ("model.dropout", float("nan"), "model.dropout"),
        ("kind", "huge", "model.kind"),
        ("tied", "perhaps", "output.tied"),
        ("seed", [1], "seed"),
    ],
)
def test_an_impossible_value_names_its_setting(name: str, value: object, where: str) -> None:
    with pytest.raises(RequestError) as caught:
        build(Root, {name: value})
    assert (caught.value.where, caught.value.got) == (where, repr(value))
    assert caught.value.expected


def test_values_that_do_not_fit_each_other_name_their_group() -> None:
    with pytest.raises(RequestError) as caught:
        build(Root, {"layers": 9})
    assert (caught.value.where, caught.value.expected) == ("model", "an order of at least num_layers")


def test_settings_are_frozen_and_refuse_extra_keys() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Root().seed = 2  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Root(extra=1)  # type: ignore[call-arg]


@given(order=st.integers(2, 10**9), dropout=st.floats(0, 0.999), tied=st.booleans())
def test_settings_come_back_from_toml(
    tmp_path_factory: pytest.TempPathFactory, order: int, dropout: float, tied: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "settings.toml"
    settings = build(Root, {"order": order, "model.dropout": dropout, "tied": tied})
    write_toml(path, flatten(settings))
    assert build(Root, read_toml(path)) == settings
    write_toml(path, settings.model_dump())
    assert Root.model_validate(read_toml(path)) == settings


@pytest.mark.parametrize("content", [b"a = ", b"\xff = 1", b"a = 1\na = 2"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(RequestError, match="not TOML") as caught:
        read_toml(path)
    assert caught.value.where == str(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="does not exist"):
        read_toml(tmp_path / "config.toml")
    with pytest.raises(RequestError, match="is a folder"):
        read_toml(tmp_path)


def test_an_error_shows_what_it_knows() -> None:
    error = SeqloomError("it broke", where="text.txt:3", got=0, hint="mend it")
    assert str(error).splitlines() == [
        "it broke",
        "  where:    text.txt:3",
        "  got:      0",
        "  hint:     mend it",
    ]
    assert (SeqloomError.exit_status, RequestError.exit_status) == (1, 2)


def test_an_unknown_name_with_no_choices_says_so() -> None:
    error = unknown_name("model", "lstm", [], where="--model")
    assert (error.expected, error.hint, error.where) == ("(none is known)", None, "--model")
