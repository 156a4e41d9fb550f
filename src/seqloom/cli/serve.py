"""`seqloom serve` and `seqloom watch`: trained models, and trainings as they go on, over HTTP and in a browser."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.options import Threads

Host = Annotated[str, typer.Option(help="the address to listen at; 0.0.0.0: all of this machine's")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="the port; 0: a free one")]
ApiKey = Annotated[
    str,
    typer.Option(
        envvar="SEQLOOM_API_KEY", help="what requests must bring as Authorization: Bearer KEY; also SEQLOOM_API_KEY"
    ),
]


def serve(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="RUN ...", help="folders of runs, or of exported models", show_default=False),
    ],
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
    with _packages_of_serve():
        from seqloom.serving.app import make_app
        from seqloom.serving.server import hosts_of, print_address, run
    from seqloom.serving.guard import check_origin
    from seqloom.serving.limits import Limits
    from seqloom.serving.opening import is_begun, names_of, open_hosted, watched_runs

    for origin in cors or ():
        check_origin(origin)
    named = zip(folders, names_of(folders), strict=True)
    models = [open_hosted(folder, name, threads) for folder, name in named if not is_begun(folder)]
    for model in models:
        model.warm_up()
    trainings = watched_runs(folders)
    limits, hosts = Limits(seconds=seconds), hosts_of(host)
    app = make_app(models, limits, trainings=trainings, key=api_key, hosts=hosts, origins=cors or ())
    run(app, host, port, print_address)


def watch(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="RUN ...", help="folders of runs, which other processes may train", show_default=False),
    ],
    host: Host = "127.0.0.1",
    port: Port = 8001,
    api_key: ApiKey = "",
) -> None:
    """Watch trainings in a browser: curves, speed, time left, examples of what the models give.

    The page follows a training in another process, and shows one that was interrupted or has ended.
    """
    with _packages_of_serve():
        from seqloom.serving.app import make_app
        from seqloom.serving.server import hosts_of, print_address, run
    from seqloom.serving.limits import Limits
    from seqloom.serving.opening import names_of
    from seqloom.serving.watched import Watched

    os.nice(_NICE)
    trainings = [Watched(name, folder) for name, folder in zip(names_of(folders), folders, strict=True)]
    run(
        make_app([], Limits(seconds=_SECONDS), trainings=trainings, key=api_key, hosts=hosts_of(host)),
        host,
        port,
        print_address,
    )


_NICE = 10
"""The priority of a process that watches, so that the training beside it is hardly slower."""
_SECONDS = 300.0
"""For examples of what a model gives, which are computed at that priority."""


@contextlib.contextmanager
def _packages_of_serve() -> Iterator[None]:
    from seqloom.errors import RequestError

    try:
        yield
    except ModuleNotFoundError as error:
        raise RequestError(
            "this command needs more packages", got=f"no {error.name}", hint="pip install 'seqloom[serve]'"
        ) from None
