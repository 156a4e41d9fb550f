"""`seqloom serve`: trained models over HTTP, for programs and in a browser."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.options import Threads

Host = Annotated[str, typer.Option(help="the address to listen at; 0.0.0.0: all of this machine's")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="the port; 0: a free one")]


def serve(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="RUN ...", help="folders of runs, or of exported models", show_default=False),
    ],
    host: Host = "127.0.0.1",
    port: Port = 8000,
    api_key: Annotated[
        str,
        typer.Option(
            envvar="SEQLOOM_API_KEY", help="what requests must bring as Authorization: Bearer KEY; also SEQLOOM_API_KEY"
        ),
    ] = "",
    seconds: Annotated[float, typer.Option(min=0.1, help="the longest that a request may take")] = 30.0,
    threads: Threads = 0,
) -> None:
    """Answer requests with trained models: an API for programs, and a page for people."""
    with _packages_of_serve():
        from seqloom.serving.app import make_app
        from seqloom.serving.server import hosts_of, print_address, run
    from seqloom.serving.limits import Limits
    from seqloom.serving.opening import names_of, open_hosted

    models = [open_hosted(folder, name, threads) for folder, name in zip(folders, names_of(folders), strict=True)]
    for model in models:
        model.warm_up()
    app = make_app(models, Limits(seconds=seconds), key=api_key, hosts=hosts_of(host))
    run(app, host, port, print_address)


@contextlib.contextmanager
def _packages_of_serve() -> Iterator[None]:
    from seqloom.errors import RequestError

    try:
        yield
    except ModuleNotFoundError as error:
        raise RequestError(
            "this command needs more packages", got=f"no {error.name}", hint="pip install 'seqloom[serve]'"
        ) from None
