"""Configuration of the documentation site (Sphinx); `make docs` builds it."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS))

project = "Seqloom"
author = "the Seqloom developers"
project_copyright = "the Seqloom developers"
version = release = installed_version("seqloom")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["scoreboard.md"]
myst_heading_anchors = 3
default_role = "code"
smartquotes = False  # dashes belong to options
highlight_language = "text"
autodoc_typehints = "none"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = "Seqloom"
html_show_sourcelink = False
html_extra_path = ["_extra"] if (DOCS / "_extra").exists() else []

ROOT_PAGES = {
    "CONTRIBUTING.md": "_root/contributing.md",
    "LOG.md": "_root/log.md",
    "CHANGELOG.md": "_root/changelog.md",
    "examples/README.md": "_root/examples.md",
}
"""Pages of the site that are files elsewhere in the repository; they are copied before each build."""
REPOSITORY_FILES = (
    "LICENSE",
    "NOTICE",
    "README.md",
    "examples/pronunciation/cmudict.LICENSE",
    "examples/time_series.LICENSE",
    "SECURITY.md",
)
"""Files that the site does not contain: a link to one becomes plain text."""


def copy_root_pages(app: Sphinx) -> None:  # noqa: ARG001
    (DOCS / "_root").mkdir(exist_ok=True)
    for source, page in ROOT_PAGES.items():
        text = _adapted((ROOT / source).read_text(encoding="utf-8"), (ROOT / source).parent, "../")
        target = DOCS / page
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")


def adapt_links(app: Sphinx, page: str, source: list[str]) -> None:  # noqa: ARG001
    if not page.startswith("_root/"):
        source[0] = _adapted(source[0], DOCS, "")


def _adapted(text: str, folder: Path, to_docs: str) -> str:
    """`text` of a file in `folder` with its relative links as the site needs them. `to_docs`: the path from the page to
    the source folder of the site."""

    def link(match: re.Match[str]) -> str:
        label, path, anchor = match.group(1), match.group(2), match.group(3) or ""
        if "://" in path:
            return match.group(0)
        target = (folder / path).resolve()
        name = target.relative_to(ROOT).as_posix()
        if name in REPOSITORY_FILES:
            return label
        page = ROOT_PAGES.get(name, name.removeprefix("docs/"))
        return f"[{label}]({to_docs}{page}{anchor})"

    return re.sub(r"\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)", link, text)


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", copy_root_pages)
    app.connect("source-read", adapt_links)
