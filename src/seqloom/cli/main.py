"""`seqloom`: the commands, the place where errors become exit statuses, and what a terminal is shown."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from seqloom import __version__
from seqloom.cli import compare, embed, evaluate, explain, export, listing, look, predict, serve, train, vectors
from seqloom.errors import RequestError, SeqloomError, warnings_on_standard_error
from seqloom.runtime import is_first_on_machine

app = typer.Typer(
    name="seqloom",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(is_given: bool) -> None:
    if is_given:
        typer.echo(f"seqloom {__version__}")
        raise typer.Exit


@app.callback()
def seqloom(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and exit")
    ] = False,
) -> None:
    """Train, compare, understand and ship sequence models on your own data."""


app.command()(look.look)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(predict.predict)
app.command()(evaluate.score)
app.command()(evaluate.generate)
app.command()(embed.embed)
app.command()(vectors.vectors)
app.command()(compare.compare)
app.command()(explain.explain)
app.command()(export.export)
app.command(name="import")(export.import_)
app.command()(serve.serve)
app.command()(serve.watch)
app.command(name="list")(listing.list_)


_SECONDS_TO_SPEAK = 2.0
"""If all processes of a training fail, the first one prints the error; the others wait this long before they exit."""


def main() -> None:
    """Runs a command: exit status 0, 1 (the work failed), 2 (the request was wrong) or 130 (Ctrl-C)."""
    if "LOCAL_RANK" in os.environ:  # torch reads this at its import; under torchrun, every process would warn
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    try:
        with warnings_on_standard_error(), escaped_terminal():
            _check_arguments(sys.argv[1:])
            try:
                app(prog_name="seqloom", color=True)  # otherwise, pipes would get lines without their escape codes
            finally:
                sys.stdout.flush()  # notices a full disk here, not when the interpreter exits
    except RequestError as error:
        if not is_first_on_machine():
            time.sleep(_SECONDS_TO_SPEAK)  # torchrun stops all processes as soon as one exits
            sys.exit(error.exit_status)
        print(f"seqloom: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except SeqloomError as error:
        print(f"seqloom: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        if is_first_on_machine():
            print("seqloom: stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of the output has closed it, as `head` does
        _drop_output()
        sys.exit(1)
    except OSError as error:
        _drop_output()
        print(f"seqloom: {error.strerror}\n  where:    {error.filename or 'standard output'}", file=sys.stderr)
        sys.exit(2 if error.errno == errno.ENAMETOOLONG else 1)


def _check_arguments(arguments: list[str]) -> None:
    """Refuses arguments that are not UTF-8 in commands that write them into the folder of a run."""
    if arguments and arguments[0] in ("train", "compare", "import", "export"):
        for argument in arguments:
            if any("\ud800" <= character <= "\udfff" for character in argument):
                raise RequestError(
                    "an argument is not UTF-8", got=ascii(argument), hint="rename the file or the folder"
                )


_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
"""C0 without tab and line feed, DEL, and C1 (U+0080 to U+009F) in UTF-8."""
_BEGIN_OF_C1 = b"\xc2"


@contextlib.contextmanager
def escaped_terminal() -> Iterator[None]:
    """Within the block, standard output shows control characters as escapes (`\\x1b`) if it is a terminal. Files and
    pipes get every byte as it is."""
    output = sys.stdout
    binary = getattr(output, "buffer", None)
    if binary is None or not output.isatty():
        yield
        return
    output.flush()
    raw = getattr(binary, "raw", binary)  # unbuffered output has no other below it
    stream = io.BufferedWriter(EscapedOutput(raw))
    sys.stdout = io.TextIOWrapper(stream, output.encoding, output.errors, line_buffering=True)
    try:
        yield
    finally:
        sys.stdout = output


class EscapedOutput(io.RawIOBase):
    """Bytes of UTF-8 text to `raw`. The first byte of a character that is cut waits for the second."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw, self._waiting = raw, b""

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def write(self, content: Any) -> int:
        size, data = len(content), self._waiting + bytes(content)
        self._waiting = _BEGIN_OF_C1 if data.endswith(_BEGIN_OF_C1) else b""
        data = data.removesuffix(self._waiting) if self._waiting else data
        shown = memoryview(_CONTROL.sub(_escape, data))
        while shown:
            shown = shown[self._raw.write(shown) or 0 :]
        return size


def _escape(match: re.Match[bytes]) -> bytes:
    return f"\\x{match[0][-1]:02x}".encode()


def _drop_output() -> None:
    """Discards what is left in output buffers, so that the interpreter does not write it at its exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
