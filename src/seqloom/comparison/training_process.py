"""One training in a subprocess, so that its peak memory is its own; it saves and stops with its parent."""

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
_WORDS_KEPT = 4_000  # characters of what the child said last
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def run_training(arguments: Sequence[str], title: str, quiet: bool = False) -> None:
    """Runs `seqloom train` with the arguments and passes on what it says.

    Raises KeyboardInterrupt where it was stopped and has saved, SeqloomError with its last words where it failed.
    """
    environment = os.environ | {STOPS_WITH_PARENT: "1"}
    if sys.stderr.isatty():  # its standard error is a pipe: tell it that a person looks on all the same
        environment |= {"FORCE_COLOR": "1", "COLUMNS": str(shutil.get_terminal_size().columns)}
    child = subprocess.Popen(
        [sys.executable, "-m", "seqloom", "train", *arguments],
        stdin=subprocess.PIPE,  # held open as long as this process lives, however it ends
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )
    words = ""
    try:
        with _terminated_as_interrupted():
            try:
                for text in _said(child):
                    words = (words + text)[-_WORDS_KEPT:]
                    if not quiet:
                        sys.stderr.write(text)
                        sys.stderr.flush()
                status = child.wait()
            except KeyboardInterrupt:
                # On Ctrl-C the child has had the signal too; where only we had it, this makes it save and stop. A
                # second SIGINT would stop it without saving, a SIGTERM after it changes nothing.
                child.terminate()
                for text in _said(child):
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
        raise kind(f"the training of {title} failed", got=_last_words(words, status))


def stop_with_parent() -> None:
    """In the child: when the parent is gone, saves and stops as on SIGTERM; kills itself if that takes too long."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        silent = os.open(os.devnull, os.O_WRONLY)
        for output in (1, 2):  # nobody reads them any more
            os.dup2(silent, output)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(SECONDS_TO_SAVE)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _said(child: subprocess.Popen[bytes]) -> Iterator[str]:
    """What the child writes to standard error, as it comes."""
    assert child.stderr is not None
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while chunk := os.read(child.stderr.fileno(), 4096):
        yield decoder.decode(chunk)


def _last_words(words: str, status: int) -> str:
    """The child's error message, without its name before it; or its last line; or how it ended."""
    if status < 0:
        number = -status
        return f"killed by {signal.strsignal(number) or number}".lower() + (
            ", perhaps because memory ran out" if number == signal.SIGKILL else ""
        )
    plain = _TERMINAL_CODES.sub("", words).strip()
    _, found, message = plain.rpartition("seqloom: ")
    if found:
        return message.replace("\n", "\n  ")
    return plain.splitlines()[-1] if plain else f"exit status {status}"


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """While entered, SIGTERM raises KeyboardInterrupt, so that no child is left alone."""
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
