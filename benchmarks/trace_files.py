"""How many of Seqloom's files run: from `seqloom train language-model` to the first `backward()`, and in one update of
a training whose recurrence is a fused kernel. A file counts when one of its functions is called.

    python benchmarks/trace_files.py [--json]

Calls while a module is imported (decorators that register or compile) are left out: nobody reads them in this order. So
is `compiling.py`, which runs only when a loop is compiled for the first time after a change. `tests/test_trace.py`
holds both counts to their limits.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType

COMPILING = "seqloom/compiling.py"


class TraceEnd(Exception):  # noqa: N818
    """Ends the training that is traced."""


def profile_into(entered: dict[str, None]) -> Callable[[FrameType, str, object], None]:
    """What `sys.setprofile` takes, to note the files of the package whose functions are entered, in that order."""
    import seqloom

    packages = Path(seqloom.__file__).parents[1]  # seqloom, and seqloom_portable, which it uses
    root = str(packages / "seqloom")
    importing: list[FrameType] = []  # the module bodies that are being run

    def profile(frame: FrameType, event: str, argument: object) -> None:  # noqa: ARG001
        if frame.f_code.co_name == "<module>":
            if event == "call":
                importing.append(frame)
            elif event == "return":
                importing.pop()
        elif event == "call" and not importing and frame.f_code.co_filename.startswith(root):
            if not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
                return  # the body of a class is called too, and is no function
            file = str(Path(frame.f_code.co_filename).relative_to(packages))
            if file != COMPILING:
                entered[file] = None

    return profile


def files_entered(work: Callable[[], object]) -> list[str]:
    """The files of the package with a function that `work` enters, in the order of the first call."""
    entered: dict[str, None] = {}
    sys.setprofile(profile_into(entered))
    try:
        work()
    finally:
        sys.setprofile(None)
    return list(entered)


def train_to_backward(folder: Path) -> list[str]:
    """From the command to the first `backward()`, with a cold cache."""
    import torch

    import seqloom.cli.main

    text = folder / "text.txt"
    text.write_text("".join(f"a{i % 7} b{i % 5} c{i % 3} d\n" for i in range(200)))
    sys.argv = ["seqloom", "train", "language-model", str(text), "--updates", "1", "--out", str(folder / "run")]
    sys.argv += ["--threads", "1", "--set", "embedding.dim=8", "--set", "hidden_size=8"]
    backward = torch.autograd.backward

    def stop(*_: object, **__: object) -> None:
        sys.setprofile(None)
        raise TraceEnd

    def work() -> None:
        torch.autograd.backward = stop
        try:
            seqloom.cli.main.main()
        except TraceEnd:
            pass
        finally:
            torch.autograd.backward = backward

    return files_entered(work)


def fused_update(folder: Path) -> list[str]:
    """One whole update of a training whose recurrence runs in a fused kernel: batch, forward, backward, optimizer. The
    lines of a batch are of unequal lengths, which torch's own LSTM does not take."""
    import seqloom
    from seqloom.training.reports import Silent

    text = folder / "lines.txt"
    text.write_text("".join(f"a{i} {'b c d ' * (i % 11)}\n" for i in range(200)))
    entered: dict[str, None] = {}
    calls = 0

    def step(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls in (2, 3):  # what is made once has been made
            sys.setprofile(profile_into(entered) if calls == 2 else None)

    original, Silent.step = Silent.step, step  # type: ignore[assignment,method-assign]
    try:
        seqloom.train(
            "language-model", str(text), model="lstm", updates=4, out=folder / "lines", threads=1, quiet=True,
            settings={
                "embedding.dim": 8, "model.hidden_size": 8, "data.mode": "lines", "data.tokens_per_batch": 120,
                "training.evaluations": 1, "training.checkpoint_seconds": 3600, "training.precision": "float32",
            },
        )  # fmt: skip
    finally:
        sys.setprofile(None)
        Silent.step = original  # type: ignore[method-assign]
    return list(entered)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true", help="one JSON object on standard output")
    as_json = arguments.parse_args().json
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SEQLOOM_CACHE"] = str(Path(folder) / "cache")
        counts = {
            "train language-model to backward()": train_to_backward(Path(folder)),
            "fused update": fused_update(Path(folder)),
        }
    if as_json:
        print(json.dumps(counts))
        return
    for what, files in counts.items():
        print(f"{what}: {len(files)} files")
        print("".join(f"  {file}\n" for file in files))


if __name__ == "__main__":
    main()
