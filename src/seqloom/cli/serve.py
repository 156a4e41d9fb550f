"""`seqloom serve` and `seqloom watch`: trained models and running trainings, over HTTP and in a browser."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqloom.cli.options import Threads

if TYPE_CHECKING:
    from seqloom.serving.hosted import Hosted
    from seqloom.serving.limits import Limits
    from seqloom.serving.reloading import Reloading
    from seqloom.serving.watched import Watched


def _folders(help_text: str) -> Any:
    return typer.Argument(metavar="RUN ...", help=help_text, show_default=False)


Host = Annotated[str, typer.Option(help="the address to listen at; 0.0.0.0: all of this machine's")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="the port; 0: a free one")]
ApiKey = Annotated[
    str,
    typer.Option(
        envvar="SEQLOOM_API_KEY", help="what requests must bring as Authorization: Bearer KEY; also SEQLOOM_API_KEY"
    ),
]


def serve(
    folders: Annotated[list[Path], _folders("folders of runs, or of exported models")],
    host: Host = "127.0.0.1",
    port: Port = 8000,
    api_key: ApiKey = "",
    cors: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="a site whose pages may ask this server, such as https://example.org; *: all; can be repeated",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="the longest that a request may take")] = 30.0,
    threads: Threads = 0,
) -> None:
    """Answer requests with trained models: an API for programs, and a page for people."""
    _check_packages()
    from seqloom.serving.guard import check_origin
    from seqloom.serving.limits import Limits
    from seqloom.serving.opening import is_begun, names_of, open_warm, watched_runs
    from seqloom.serving.reloading import Reloading

    for origin in cors or ():
        check_origin(origin)
    named = dict(zip(names_of(folders), folders, strict=True))
    models = [open_warm(folder, name, threads) for name, folder in named.items() if not is_begun(folder)]
    reloading = Reloading(named, partial(open_warm, threads=threads))
    _run(models, Limits(seconds=seconds), watched_runs(folders), host, port, api_key, cors or (), reloading)


def watch(
    folders: Annotated[list[Path], _folders("folders of runs, which other processes may train")],
    host: Host = "127.0.0.1",
    port: Port = 8001,
    api_key: ApiKey = "",
) -> None:
    """Watch trainings in a browser: curves, speed, time left, examples of what the models give.

    The page follows a training in another process, and shows one that was interrupted or has ended.
    """
    _check_packages()
    from seqloom.serving.limits import Limits
    from seqloom.serving.opening import names_of
    from seqloom.serving.watched import Watched

    trainings = [Watched(name, folder) for name, folder in zip(names_of(folders), folders, strict=True)]
    os.nice(_NICE)
    _run([], Limits(seconds=_SECONDS), trainings, host, port, api_key)


_NICE = 10
"""The priority of a process that watches, so that the training beside it is hardly slower."""
_SECONDS = 300.0
"""For examples of what a model gives, which are computed at that priority."""


def _check_packages() -> None:
    """Raises RequestError where the packages of the extra `serve` are not installed."""
    from seqloom.errors import RequestError

    try:
        import seqloom.serving.app
        import seqloom.serving.server  # noqa: F401
    except ModuleNotFoundError as error:
        raise RequestError(
            "this command needs more packages", got=f"no {error.name}", hint="pip install 'seqloom[serve]'"
        ) from None


def _run(
    models: Sequence[Hosted],
    limits: Limits,
    trainings: Sequence[Watched],
    host: str,
    port: int,
    api_key: str,
    origins: Sequence[str] = (),
    reloading: Reloading | None = None,
) -> None:
    from seqloom.serving.app import make_app
    from seqloom.serving.server import hosts_of, print_address, run

    app = make_app(models, limits, trainings=trainings, key=api_key, hosts=hosts_of(host), origins=origins,
                   reloading=reloading)  # fmt: skip
    run(app, host, port, print_address)
