"""Texts that are written at the same time: stepped together, and the same as each alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom.run import Run
from seqloom.serving.hosted_run import HostedRun
from seqloom.serving.next_token import Continuation
from seqloom.serving.opening import open_hosted
from seqloom_portable.sampling import Sampling
from tests.support.served import serving


def _texts(model: Any, prompts: list[str], together: bool) -> list[list[tuple[str, float]]]:
    """The first 12 tokens after each prompt with their log-probabilities. `together`: in one step for all whose
    memories can be joined."""
    writing = [Continuation(model, prompt, Sampling(), seed) for seed, prompt in enumerate(prompts)]
    texts: list[list[tuple[str, float]]] = [[] for _ in prompts]
    for _ in range(12):
        tokens = [text.next() for text in writing]
        steps = [next(token) for token in tokens]
        if together and len({step.key for step in steps}) == 1:
            results = steps[0].answer([step.item for step in steps])
        else:
            results = [step.answer([step.item])[0] for step in steps]
        for token, result, text in zip(tokens, results, texts, strict=True):
            with pytest.raises(StopIteration) as end:
                token.send(result)
            text.append((end.value.value.text, end.value.value.log_prob))
    return texts


@pytest.mark.parametrize("exported", [False, True])
def test_texts_that_are_stepped_together_are_those_alone(exported: bool, tmp_path: Path, runs: dict[str, Run]) -> None:
    hosted = HostedRun("lstm", runs["lstm"])
    if exported:
        pytest.importorskip("onnxruntime")
        exporters["onnx"](runs["lstm"], tmp_path / "lstm", ExportOptions())
        hosted = open_hosted(tmp_path / "lstm", "lstm")  # type: ignore[assignment]
    prompts = ["the", "cat", "the", "sat"]
    alone, together = (_texts(hosted.tokens, prompts, choice) for choice in (False, True))
    for one, other in zip(alone, together, strict=True):
        assert [text for text, _ in one] == [text for text, _ in other]
        np.testing.assert_allclose([p for _, p in one], [p for _, p in other], atol=1e-5)


def test_streams_at_the_same_time_share_the_steps(runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    hosted, sizes = HostedRun("lstm", runs["lstm"]), []
    step = hosted.tokens._step

    def counting(token_ids: Any, state: Any) -> Any:
        sizes.append(len(token_ids))
        return step(token_ids, state)

    monkeypatch.setattr(hosted.tokens, "_step", counting)
    body = {"prompt": "the cat", "max_tokens": 60, "temperature": 1}
    with serving([hosted]) as address:
        answer = httpx.post(f"{address}/v1/completions", json={**body, "n": 4, "seed": 5}, timeout=60).json()
        assert sizes[:2] == [4, 4]
        together = [choice["text"] for choice in answer["choices"]]
        alone = [httpx.post(f"{address}/v1/completions", json={**body, "seed": 5 + n}).json() for n in range(4)]
        assert together == [answer["choices"][0]["text"] for answer in alone]
        assert answer["usage"]["completion_tokens"] == sum(one["usage"]["completion_tokens"] for one in alone)
        sizes.clear()
        with ThreadPoolExecutor(8) as clients:
            asked = [
                clients.submit(httpx.post, f"{address}/v1/completions", json={**body, "seed": n}) for n in range(8)
            ]
            assert all(future.result().status_code == 200 for future in asked)
        assert max(sizes) > 1


def test_of_several_prompts_each_choice_is_its_own(runs: dict[str, Run]) -> None:
    with serving([HostedRun(name, runs[name]) for name in ("lstm", "ngram")]) as address:
        for model in ("lstm", "ngram"):
            body = {"model": model, "prompt": ["the cat", "a dog sat"], "max_tokens": 5, "temperature": 0, "echo": True}
            choices = httpx.post(f"{address}/v1/completions", json=body).json()["choices"]
            assert [choice["text"].startswith(prompt) for choice, prompt in zip(choices, body["prompt"], strict=True)]
            for choice, prompt in zip(choices, body["prompt"], strict=True):
                alone = httpx.post(f"{address}/v1/completions", json={**body, "prompt": prompt}).json()["choices"][0]
                assert choice["text"] == alone["text"]
