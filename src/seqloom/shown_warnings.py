"""Warnings on standard error, each once, also if several processes of a comparison have the same one."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqloom.errors import SeqloomWarning

_SHOWN_WARNINGS = "SEQLOOM_SHOWN_WARNINGS"
"""The environment variable with the path of a file of hashes: the warnings that a process has shown."""
_sharing = threading.Lock()


def share_shown_warnings() -> None:
    """Has this process and those that it starts show each warning once in all. Several threads may call it."""
    with _sharing:
        if _SHOWN_WARNINGS not in os.environ:
            number, path = tempfile.mkstemp(prefix="seqloom-warnings-")
            os.close(number)
            os.environ[_SHOWN_WARNINGS] = path
            atexit.register(Path(path).unlink, missing_ok=True)


@contextlib.contextmanager
def warnings_on_standard_error() -> Iterator[None]:
    """Prints each SeqloomWarning once, by the first process only; other warnings are shown as usual.

    Python's own filter "once" forgets what it has shown whenever a library changes the filters.
    """
    show, shown = warnings.showwarning, set[str]()

    def show_warning(message: Warning | str, category: type[Warning], *others: Any, **more: Any) -> None:
        if not issubclass(category, SeqloomWarning):
            show(message, category, *others, **more)
        elif os.environ.get("RANK", "0") == "0" and _is_new(str(message), shown):
            print(f"seqloom: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", SeqloomWarning)
        warnings.showwarning = show_warning
        is_child = _SHOWN_WARNINGS in os.environ
        try:
            yield
        finally:
            if not is_child:
                os.environ.pop(_SHOWN_WARNINGS, None)


def _is_new(message: str, shown: set[str]) -> bool:
    """Whether neither this process nor another one of the same comparison has shown the warning; it is shown now."""
    digest = hashlib.sha256(message.encode()).hexdigest()
    if _SHOWN_WARNINGS in os.environ:
        path = Path(os.environ[_SHOWN_WARNINGS])
        with contextlib.suppress(OSError):
            shown.update(path.read_text().split())
            with path.open("a") as stream:
                stream.write(f"{digest}\n")
    is_new = digest not in shown
    shown.add(digest)
    return is_new
