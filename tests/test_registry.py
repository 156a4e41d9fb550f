"""Registries: a file in the folder is enough, nothing is imported before it is asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from seqloom.errors import RequestError
from seqloom.registry import Registry

PACKAGE = """
from seqloom.registry import Registry
things = Registry("thing", __name__)
"""
MODULE = """
from {package} import things
@things.register("{name}")
def make():
    return "{name}"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with a registry and two modules, `alpha` and `beta`."""
    name = f"package_{abs(hash(tmp_path))}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text(PACKAGE)
    for module in ("beta", "alpha"):
        (folder / f"{module}.py").write_text(MODULE.format(package=name, name=module))
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.fixture
def things(package: str) -> Registry[object]:
    return __import__(package).things


def test_a_module_in_the_folder_is_found(things: Registry[object]) -> None:
    assert list(things) == ["alpha", "beta"]
    assert len(things) == 2
    assert things["alpha"]() == "alpha"  # type: ignore[operator]
    assert "beta" in things
    assert "gamma" not in things


def test_nothing_is_imported_before_it_is_asked_for(package: str, things: Registry[object]) -> None:
    assert f"{package}.alpha" not in sys.modules
    assert things["alpha"]
    assert f"{package}.alpha" in sys.modules
    assert f"{package}.beta" not in sys.modules, "only the module that bears the name"
    assert "beta" in things
    assert f"{package}.beta" in sys.modules


def test_a_module_may_bear_another_name(package: str, things: Registry[object], tmp_path: Path) -> None:
    (tmp_path / package / "gamma_ray.py").write_text(MODULE.format(package=package, name="delta"))
    (tmp_path / package / "two_words.py").write_text(MODULE.format(package=package, name="two-words"))
    assert things["delta"]() == "delta"  # type: ignore[operator]
    assert things["two-words"]() == "two-words"  # type: ignore[operator]
    with pytest.raises(RequestError, match="no thing named 'gamma-ray'"):
        things["gamma-ray"]


def test_an_unknown_name_gets_the_nearest(things: Registry[object]) -> None:
    with pytest.raises(RequestError) as caught:
        things["alpa"]
    assert caught.value.what == "there is no thing named 'alpa'"
    assert caught.value.expected == "alpha, beta"
    assert caught.value.hint == "did you mean 'alpha'?"


def test_a_name_is_given_once(things: Registry[object]) -> None:
    with pytest.raises(AssertionError, match="two things are named alpha"):
        things.register("alpha")(things["alpha"])


def test_registering_gives_the_thing_back(things: Registry[object]) -> None:
    assert things.register("five")(5) == 5
    assert things["five"] == 5


def test_a_module_that_fails_fails_every_time(package: str, things: Registry[object], tmp_path: Path) -> None:
    """Not once, and then with a registry that seems whole."""
    (tmp_path / package / "gamma.py").write_text("raise RuntimeError('broken')")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="broken"):
            list(things)
