"""Tags of elements one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from seqloom_portable.engine import Arrays
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder


def online_tags(
    folder: Folder, threads: int, labels: list[str], feeds_of: Callable[[Any], Arrays], of_whole: str
) -> Callable[[Any], str]:
    """A function for a new sequence that takes its next element and returns the element's tag at once. `feeds_of`: what
    the graph reads of an element. Raises PortableError if the model needs the whole sequence, `of_whole` in words."""
    if "step" not in folder.manifest["graphs"]:
        raise PortableError(f"the model needs the whole {of_whole}: it also reads backward")
    engine = folder.engine("step", threads)
    state, before = engine.first_state(1), len(labels)

    def answer(element: Any) -> str:
        nonlocal state, before
        outputs, state = engine(**feeds_of(element), tag_before=np.array([before], np.int64), **state)
        before = int(outputs["tag"][0])
        return labels[before]

    return answer
