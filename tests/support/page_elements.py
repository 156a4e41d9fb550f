"""A page read back: its tags, what is left open, and what it would load."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class Elements(HTMLParser):
    """The tags of a page with their attributes, and what is open at its end."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def outside_of_scripts(html: str) -> str:
    """The page without the scripts in it and without the names of XML's namespaces, which are no addresses."""
    return re.sub(r"<script.*?</script>| xmlns(:xlink)?=\"[^\"]*\"", "", html, flags=re.DOTALL)


def loads(html: str) -> list[str]:
    """What would be loaded from elsewhere."""
    return re.findall(r"url\((?!#).*?\)|@import.*|https?:.*|\b(?:src|href)=\"[^#].*", outside_of_scripts(html))
