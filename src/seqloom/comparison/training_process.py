"""One training in a subprocess: its peak memory is measured alone, and it saves and stops when its parent ends."""

from __future__ import annotations

import codecs
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from seqloom.errors import RequestError, SeqloomError

STOPS_WITH_PARENT = "SEQLOOM_STOPS_WITH_PARENT"
"""The environment variable that tells a training to stop when its standard input ends."""
SECONDS_TO_SAVE = 60.0
_INTERRUPTED = 130
_LAST_CHARACTERS = 4_000  # of the last output of the child, for the error message
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def run_training(arguments: Sequence[str], title: str, quiet: bool = False) -> None:
    """Runs `seqloom train` with the arguments and forwards its standard error.

    Raises KeyboardInterrupt if it was stopped and has saved, and SeqloomError with its error message if it failed.
    """
    environment = os.environ | {STOPS_WITH_PARENT: "1"}
    if sys.stderr.isatty():  # its standard error is a pipe, but ends on a terminal
        environment |= {"FORCE_COLOR": "1", "COLUMNS": str(shutil.get_terminal_size().columns)}
    child = subprocess.Popen(
        [sys.executable, "-m", "seqloom", "train", *arguments],
        stdin=subprocess.PIPE,  # it ends when this process ends, in whatever way
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )
    output = ""
    try:
        with terminated_as_interrupted():
            try:
                for text in _output_of(child):
                    output = (output + text)[-_LAST_CHARACTERS:]
                    if not quiet:
                        sys.stderr.write(text)
                        sys.stderr.flush()
                status = child.wait()
            except KeyboardInterrupt:
                # On Ctrl-C the child gets the signal, too. If only this process got it, this makes the child save and
                # stop. A second SIGINT would stop it without saving; a SIGTERM after the first does not.
                child.terminate()
                for text in _output_of(child):
                    if not quiet:
                        sys.stderr.write(text)
                child.wait()
                raise
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        for stream in (child.stdin, child.stderr):
            if stream is not None:
                stream.close()
    if status == _INTERRUPTED:
        raise KeyboardInterrupt
    if status:
        kind = RequestError if status == RequestError.exit_status else SeqloomError
        raise kind(f"the training of {title} failed", got=_error_message(output, status))


def stop_with_parent() -> None:
    """In the child: when the parent has ended, saves and stops as on SIGTERM; kills itself if that takes too long."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        null = os.open(os.devnull, os.O_WRONLY)
        for output in (1, 2):  # nothing reads them any more
            os.dup2(null, output)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(SECONDS_TO_SAVE)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _output_of(child: subprocess.Popen[bytes]) -> Iterator[str]:
    """The standard error of the child, as it arrives."""
    assert child.stderr is not None
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while chunk := os.read(child.stderr.fileno(), 4096):
        yield decoder.decode(chunk)


def _error_message(output: str, status: int) -> str:
    """The error message of the child, without the name of the program; or its last line; or how it ended."""
    if status < 0:
        number = -status
        return f"killed by {signal.strsignal(number) or number}".lower() + (
            ", perhaps because memory ran out" if number == signal.SIGKILL else ""
        )
    plain = _TERMINAL_CODES.sub("", output).strip()
    _, separator, message = plain.rpartition("seqloom: ")
    if separator:
        return message.replace("\n", "\n  ")
    return plain.splitlines()[-1] if plain else f"exit status {status}"


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """While entered, SIGTERM raises KeyboardInterrupt, so that no child stays behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
