"""Several trainings at the same time: on this machine, or on the workers of a Dask cluster, through joblib."""

from __future__ import annotations

import io
import json
import shutil
import socket
import tarfile
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seqloom.comparison.spec import ComparisonSpec
from seqloom.comparison.training_process import run_training, terminated_as_interrupted
from seqloom.comparison.trainings import (
    Runner,
    Settings,
    Training,
    to_standard_error,
    train_once,
    training_arguments,
)
from seqloom.config import read_toml, write_toml
from seqloom.data.input_source import content_hash
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import write_atomic
from seqloom.training.reports import read_json

_LARGEST_SHIPMENT = 500_000_000
"""Bytes of data files that are sent to workers which do not have them at the same path."""

_machines_lock = threading.Lock()


class Shipment(NamedTuple):
    """A training as it is sent to a worker. `files`: the content of each data file by its path; None if they are too
    large to be sent."""

    title: str
    arguments: list[str]
    hashes: dict[str, str]
    files: dict[str, bytes] | None


def check_jobs(jobs: int, cluster: str) -> None:
    """Raises RequestError if the request is impossible, or if what it needs is not installed."""
    if jobs < 1:
        raise RequestError("a comparison needs a job", where="--jobs", got=jobs, expected="1 or more")
    if jobs == 1 and not cluster:
        return
    try:
        import joblib  # noqa: F401

        if cluster:
            import distributed  # noqa: F401
    except ModuleNotFoundError as error:
        raise RequestError(
            f"{error.name} is not installed",
            where="--cluster" if cluster else "--jobs",
            hint="install the extra: pip install 'seqloom[jobs]'",
        ) from None


def make_runner(spec: ComparisonSpec, settings: Settings, folder: Path, jobs: int, cluster: str, quiet: bool) -> Runner:
    """What finishes the trainings of a comparison in `folder`."""

    def run(trainings: Sequence[Training]) -> None:
        if not trainings:
            return
        if cluster:
            _train_on_cluster(spec, settings, trainings, cluster, folder, quiet)
        elif jobs > 1:
            _train_in_parallel(spec, settings, trainings, jobs, folder, quiet)
        else:
            for number, training in enumerate(trainings, 1):
                _say(training, f"{number} of {len(trainings)}", quiet)
                train_once(spec, settings, training, quiet)
                record_machine(folder, training)

    return run


def _say(training: Training, what: str, quiet: bool) -> None:
    if not quiet:
        to_standard_error(f"{training.name}, seed {training.seed}: {what}")


def _train_in_parallel(
    spec: ComparisonSpec, settings: Settings, trainings: Sequence[Training], jobs: int, folder: Path, quiet: bool
) -> None:
    """`jobs` trainings at a time on this machine, each in a process of its own."""
    import joblib

    def train(training: Training) -> None:
        _say(training, "started", quiet)
        train_once(spec, settings, training, quiet=True)
        record_machine(folder, training)
        _say(training, "finished", quiet)

    with terminated_as_interrupted():
        joblib.Parallel(n_jobs=jobs, backend="threading")(joblib.delayed(train)(training) for training in trainings)


def _train_on_cluster(
    spec: ComparisonSpec, settings: Settings, trainings: Sequence[Training], cluster: str, folder: Path, quiet: bool
) -> None:
    """Every training is a task of a Dask cluster, which repeats the tasks of workers that are lost. The finished run
    comes back from the worker; a training that was interrupted begins anew."""
    import joblib
    from distributed import Client

    try:
        client: Any = Client(cluster, timeout=20)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise RequestError(
            "the cluster cannot be reached", where="--cluster", got=cluster, expected=str(error)
        ) from None
    with client, terminated_as_interrupted(), joblib.parallel_config(backend="dask", wait_for_workers_timeout=60):
        data = _read_data(spec)
        shipments = [
            Shipment(f"{training.name} with seed {training.seed}", training_arguments(spec, settings, training), *data)
            for training in trainings
        ]
        results = joblib.Parallel(return_as="generator", batch_size=1)(
            joblib.delayed(train_remotely)(shipment) for shipment in shipments
        )
        for training, (content, machine) in zip(trainings, results, strict=True):
            _unpack(content, training, spec)
            record_machine(folder, training, machine)
            _say(training, f"finished on {machine}", quiet)


def _read_data(spec: ComparisonSpec) -> tuple[dict[str, str], dict[str, bytes] | None]:
    """The hash and the content of each data file, as in a `Shipment`."""
    paths = [path for path in (spec.data, spec.valid, spec.test) if path is not None and Path(path).is_file()]
    small = sum(Path(path).stat().st_size for path in paths) <= _LARGEST_SHIPMENT
    files = {path: Path(path).read_bytes() for path in paths} if small else None
    return {path: content_hash(path) for path in paths}, files


def train_remotely(shipment: Shipment) -> tuple[bytes, str]:
    """On a worker: trains, and returns the folder of the run as a tar file, with the name of the machine."""
    with tempfile.TemporaryDirectory(prefix="seqloom-") as temporary:
        arguments = list(shipment.arguments)
        run = Path(temporary) / "run"
        arguments[arguments.index("--out") + 1] = str(run)
        for number, path in enumerate(shipment.hashes):
            local = _local_copy(path, shipment, Path(temporary) / f"data{number}")
            arguments = [local if argument == path else argument for argument in arguments]
        run_training(arguments, shipment.title, quiet=True)
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as archive:
            archive.add(run, arcname=".")
        return content.getvalue(), socket.gethostname()


def _local_copy(path: str, shipment: Shipment, folder: Path) -> str:
    """The path itself if the worker has the same file there, otherwise a copy of what was sent. The name stays, since
    its suffix says what the file holds."""
    if Path(path).is_file() and content_hash(path) == shipment.hashes[path]:
        return path
    if shipment.files is None:
        raise SeqloomError("a worker of the cluster does not have the data", where=path, hint="put it on a shared disk")
    folder.mkdir()
    copy = folder / Path(path).name
    copy.write_bytes(shipment.files[path])
    return str(copy)


def _unpack(content: bytes, training: Training, spec: ComparisonSpec) -> None:
    """The run in its folder, whole or not at all, with the paths of the data on this machine."""
    temporary = training.folder.with_name(f".{training.folder.name}")
    for folder in (temporary, training.folder):
        shutil.rmtree(folder, ignore_errors=True)
    temporary.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(temporary, filter="data")
    config = read_toml(temporary / "config.toml")
    paths = {"data": spec.data, "valid": spec.valid, "test": spec.test}
    config["sources"] |= {role: path for role, path in paths.items() if path is not None}
    write_toml(temporary / "config.toml", config)
    temporary.rename(training.folder)


def record_machine(folder: Path, training: Training, machine: str = "") -> None:
    """Notes in `machines.json` on which machine a training ran: this one unless another is named."""
    path = folder / "machines.json"
    with _machines_lock:
        machines: dict[str, Any] = read_json(path) if path.exists() else {}
        machines[training.folder.name] = machine or socket.gethostname()
        write_atomic(path, json.dumps(machines, indent=2, sort_keys=True) + "\n")


def machines_of(folder: Path) -> dict[str, str]:
    """The machine of each training by the name of its folder; empty for comparisons of older versions."""
    path = folder / "machines.json"
    return read_json(path) if path.exists() else {}
