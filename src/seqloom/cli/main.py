"""`seqloom`: the commands, and the one place where errors become messages and exit statuses."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from seqloom import __version__
from seqloom.cli import compare, embed, evaluate, export, listing, predict, train, vectors
from seqloom.errors import SeqloomError, SeqloomWarning

app = typer.Typer(
    name="seqloom",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"seqloom {__version__}")
        raise typer.Exit


@app.callback()
def seqloom(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and exit")
    ] = False,
) -> None:
    """Train, compare, understand and ship sequence models on your own data."""


app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(predict.predict)
app.command()(evaluate.score)
app.command()(evaluate.generate)
app.command()(embed.embed)
app.command()(vectors.vectors)
app.command()(compare.compare)
app.command()(export.export)
app.command(name="import")(export.import_)
app.command(name="list")(listing.list_)


def main() -> None:
    """Runs a command: exit status 0, 1 (the work failed), 2 (the request was wrong) or 130 (Ctrl-C)."""
    try:
        with _warnings_on_standard_error():
            app(prog_name="seqloom")
    except SeqloomError as error:
        print(f"seqloom: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        print("seqloom: stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


@contextlib.contextmanager
def _warnings_on_standard_error() -> Iterator[None]:
    """Prints each warning about the user's data once, by the first process alone; other warnings are Python's."""
    show = warnings.showwarning

    def show_warning(message: Warning | str, category: type[Warning], *others: Any, **more: Any) -> None:
        if not issubclass(category, SeqloomWarning):
            show(message, category, *others, **more)
        elif os.environ.get("RANK", "0") == "0":
            print(f"seqloom: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("once", SeqloomWarning)
        warnings.showwarning = show_warning
        yield


if __name__ == "__main__":
    main()
