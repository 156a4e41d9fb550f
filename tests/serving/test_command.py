"""`seqloom serve` as a process: it says where it is, finishes what it has begun, and ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom.run import Run
from seqloom.serving.hosted_folder import HostedFolder
from seqloom.serving.hosted_run import HostedRun
from seqloom.serving.opening import open_hosted
from seqloom.serving.server import listening_socket
from tests.support.command_line import CommandLine


@contextmanager
def _process(*folders: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "seqloom", "serve", *map(str, folders), "--port", "0", "--threads", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert process.stderr is not None
    try:
        yield process, process.stderr.readline().split()[2]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_sigterm_lets_a_stream_end(runs: dict[str, Run]) -> None:
    with _process(runs["lstm"].folder) as (process, address):
        body = {"prompt": "", "max_tokens": 400, "stream": True, "seed": 1, "temperature": 1}
        with httpx.stream("POST", f"{address}/v1/completions", json=body, timeout=60) as response:
            lines = response.iter_lines()
            first = next(line for line in lines if line)
            assert json.loads(first.removeprefix("data: "))["model"] == "run"
            process.send_signal(signal.SIGTERM)
            rest = [line for line in lines if line]
        assert rest[-1] == "data: [DONE]"
        assert json.loads(rest[-2].removeprefix("data: "))["choices"][0]["finish_reason"] in ("stop", "length")
        assert process.wait(120) == 0


def test_ctrl_c_ends_it(runs: dict[str, Run]) -> None:
    with _process(runs["words"].folder) as (process, address):
        assert httpx.get(f"{address}/v2/health/ready").status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130


def test_clients_may_connect_before_the_server_has_started() -> None:
    with listening_socket("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname(), timeout=60):
        pass


def test_answers_do_not_wait_for_the_client() -> None:
    """asyncio turns Nagle's algorithm off for connections of sockets whose protocol is TCP by name."""

    async def no_delay() -> int:
        with listening_socket("127.0.0.1", 0) as listening:
            options: list[int] = []

            async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                connection = writer.get_extra_info("socket")
                options.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                writer.close()

            async with await asyncio.start_server(note, sock=listening) as server:
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                await reader.read()
                writer.close()
                await writer.wait_closed()
            return options[0]

    assert asyncio.run(no_delay())


def test_what_cannot_be_served_is_refused(
    tmp_path: Path, runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seqloom = CommandLine(monkeypatch, capsys)
    answer = seqloom("serve", tmp_path)
    assert answer.status == 2
    assert "the folder holds no run" in answer.errors
    for origin in ("example.org", "https://example.org/", "https://example.org#a", "https://[::1"):
        answer = seqloom("serve", runs["words"].folder, "--cors", origin)
        assert answer.status == 2
        assert "this is no origin" in answer.errors
    with listening_socket("127.0.0.1", 0) as taken:
        taken.listen()
        answer = seqloom("serve", runs["words"].folder, "--port", taken.getsockname()[1])
    assert answer.status == 2
    assert "cannot listen" in answer.errors


def test_an_exported_folder_has_the_threads_of_a_run(
    tmp_path: Path, runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    exporters["onnx"](runs["classifier"], tmp_path / "classifier", ExportOptions())
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    for threads, expected in ((0, 3), (2, 2)):
        folder = open_hosted(tmp_path / "classifier", "classifier", threads)
        assert isinstance(folder, HostedFolder)
        assert folder.loaded.threads == expected


def test_an_exported_folder_answers_as_the_run(tmp_path: Path, runs: dict[str, Run]) -> None:
    pytest.importorskip("onnxruntime")
    for name, ability in (("lstm", "next"), ("translator", "translate"), ("classifier", "classify"), ("tagger", "tag")):
        exporters["onnx"](runs[name], tmp_path / name, ExportOptions())
        folder, run = open_hosted(tmp_path / name, name), HostedRun(name, runs[name])
        assert isinstance(folder, HostedFolder)
        assert ability in folder.abilities
        texts = ["a b c", "b"]
        if name == "lstm":
            assert [c.text for c in folder.tokens.next("the", 5)] == [c.text for c in run.tokens.next("the", 5)]
            pairs = zip(folder.tokens.score("the cat"), run.tokens.score("the cat"), strict=True)
            assert all(abs(a.log_prob - b.log_prob) < 2e-5 for a, b in pairs)
        else:
            first = "tags" if name == "tagger" else "label" if name == "classifier" else "text"
            assert [answers[0][first] for answers in folder.answers(texts, {})] == [
                answers[0][first] for answers in run.answers(texts, {})
            ]
            for folder_answers, run_answers in zip(folder.answers(texts, {}), run.answers(texts, {}), strict=True):
                assert [answer.keys() for answer in folder_answers] == [answer.keys() for answer in run_answers]
                assert folder_answers[0].get("spans") == run_answers[0].get("spans")
        if name == "translator":
            ((ours,), (theirs,)) = (
                next(iter(model.answers(["a b c"], {"attention": True}))) for model in (folder, run)
            )
            assert list(ours["alignment"]["source"]) == list(theirs["alignment"]["source"])
            assert list(ours["alignment"]["target"]) == list(theirs["alignment"]["target"])
            np.testing.assert_allclose(ours["alignment"]["weights"], theirs["alignment"]["weights"], atol=1e-4)
