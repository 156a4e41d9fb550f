"""Answers over HTTP are those that a run gives in Python; what is wrong is refused with the name of the field."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from seqloom.run import Run
from seqloom.run.embeddings import Vectors
from seqloom.serving.endpoints import ENDPOINTS
from seqloom.serving.limits import Limits
from tests.support.served import hosted, serving


def post(address: str, path: str, **fields: Any) -> Any:
    response = httpx.post(address + path, json=fields, timeout=60)
    assert response.status_code == 200, response.text
    return response.json()


def test_every_model_says_what_it_can_do(address: str, runs: dict[str, Run]) -> None:
    models = httpx.get(f"{address}/v1/models").json()["data"]
    assert [model["id"] for model in models] == list(runs)
    abilities = {model["id"]: set(model["abilities"]) for model in models}
    assert {endpoint.ability for endpoint in ENDPOINTS} <= set().union(*abilities.values())
    assert "embeddings" in abilities["lstm"]
    assert not {"embeddings"} & (abilities["ngram"] | abilities["bag"])
    assert httpx.get(f"{address}/v1/models/lstm").json() == models[0]
    assert httpx.get(f"{address}/v1/models/none").status_code == 404


@pytest.mark.parametrize("model", ["lstm", "ngram"])
def test_scores_are_those_of_score(address: str, runs: dict[str, Run], model: str) -> None:
    lines = ["the cat sat", "a", ""]
    results = post(address, "/v1/score", model=model, input=lines)["results"]
    expected = [score.log_prob for score in runs[model].score(lines)]
    np.testing.assert_allclose([result["log_prob"] for result in results], expected, atol=1e-5)


def test_pairs_are_scored(address: str, runs: dict[str, Run]) -> None:
    pairs = [("a b", "b a"), ("c", "c")]
    given = [{"source": source, "target": target} for source, target in pairs]
    results = post(address, "/v1/score", model="translator", input=given)["results"]
    expected = [score.log_prob for score in runs["translator"].score(pairs)]
    np.testing.assert_allclose([result["log_prob"] for result in results], expected, atol=1e-5)


def test_the_next_token_is_what_scores_say(address: str) -> None:
    candidates = post(address, "/v1/next", model="lstm", input="the", top=5)["results"][0]
    assert [c["probability"] for c in candidates] == sorted((c["probability"] for c in candidates), reverse=True)
    tokens = post(address, "/v1/score", model="lstm", input="the")["results"][0]["tokens"]
    end = math.exp(tokens[-1]["log_prob"])
    everything = post(address, "/v1/next", model="lstm", input="the", top=20)["results"][0]
    assert any(math.isclose(c["probability"], end, rel_tol=1e-4) for c in everything)


def test_texts_are_those_that_generate_writes(address: str, runs: dict[str, Run]) -> None:
    expected = "".join(runs["lstm"].generate("the", max_tokens=12, temperature=0.9, seed=3))
    written = post(
        address, "/v1/completions", model="lstm", prompt="the", max_tokens=12, temperature=0.9, seed=3, logprobs=2
    )
    choice = written["choices"][0]
    assert choice["text"] == expected
    log_probs = choice["logprobs"]
    assert "".join(log_probs["tokens"]) == expected
    assert all(len(candidates) <= 2 for candidates in log_probs["top_logprobs"])
    assert log_probs["text_offset"] == [len("".join(log_probs["tokens"][:n])) for n in range(len(log_probs["tokens"]))]


def test_echo_gives_the_scores_of_the_prompt(address: str) -> None:
    echoed = post(address, "/v1/completions", model="lstm", prompt="the cat", max_tokens=0, echo=True, logprobs=0)[
        "choices"
    ][0]
    tokens = post(address, "/v1/score", model="lstm", input="the cat")["results"][0]["tokens"]
    assert echoed["text"] == "the cat"
    np.testing.assert_allclose(echoed["logprobs"]["token_logprobs"], [t["log_prob"] for t in tokens[:-1]], atol=1e-5)


def test_a_text_ends_before_a_stop(address: str) -> None:
    whole = post(address, "/v1/completions", model="lstm", prompt="", max_tokens=30, seed=1)["choices"][0]["text"]
    stop = whole[8:11]
    cut = post(address, "/v1/completions", model="lstm", prompt="", max_tokens=30, seed=1, stop=stop)["choices"][0]
    assert cut["text"] == whole[: whole.index(stop)]
    assert cut["finish_reason"] == "stop"


def test_answers_are_those_of_predict(address: str, runs: dict[str, Run]) -> None:
    texts = ["a b c", "b"]
    translated = post(address, "/v1/translate", model="translator", input=texts, n_best=2)["results"]
    assert [[answer["text"] for answer in answers] for answers in translated] == [
        [answer.text for answer in answers] for answers in runs["translator"].answers(texts, n_best=2)
    ]
    for model in ("classifier", "bag"):
        classes = post(address, "/v1/classify", model=model, input=texts)["results"]
        assert [result["classes"][0]["label"] for result in classes] == runs[model].predict(texts)


def test_words_have_weights(address: str) -> None:
    text = "good bad  good"
    result = post(address, "/v1/classify", model="bag", input=text, words=True)["results"][0]
    assert [word["text"] for word in result["words"]] == text.split()
    assert all(text[word["start"] : word["end"]] == word["text"] for word in result["words"])


def test_tags_have_places_in_the_text(address: str, runs: dict[str, Run]) -> None:
    text = "the  cat sat"
    result = post(address, "/v1/tag", model="tagger", input=text)["results"][0]
    assert all(text[word["start"] : word["end"]] == word["text"] for word in result["words"])
    expected = [line.split("\t")[1] for line in runs["tagger"].predict([text])[0].splitlines() if line]
    assert [word["tag"] for word in result["words"]] == expected


def test_forecasts_are_those_of_the_run(address: str, runs: dict[str, Run]) -> None:
    run = runs["forecaster"]
    values = [(i % 12) + 0.1 * (i % 7) for i in range(240)]
    steps = post(address, "/v1/forecast", values=values, horizon=4)["results"][0]
    expected = list(run.forecast(horizon=4))
    np.testing.assert_allclose([step["mean"] for step in steps], [row.mean for row in expected], rtol=1e-6)
    rows = {"time": list(range(240)), "value": values}
    same = post(address, "/v1/forecast", rows=rows, horizon=4)["results"][0]
    assert [step["mean"] for step in same] == [step["mean"] for step in steps]


def test_words_have_neighbours(address: str, runs: dict[str, Run]) -> None:
    vectors = Vectors.open(runs["words"].folder)
    word, other = vectors.words[4:6]
    near = post(address, "/v1/nearest", input=word, top=3)["results"][0]
    assert [item["word"] for item in near] == [item.word for item in vectors.similar(word, 3)]
    solved = post(address, "/v1/analogy", positive=[word], negative=[other], top=2)["results"][0]
    assert [item["word"] for item in solved] == [item.word for item in vectors.analogy([word], [other], 2)]


def test_a_machine_shows_its_memory(address: str) -> None:
    first, again, other = (post(address, "/v1/memory", seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    steps = len(first["bands"][0]["values"][0])
    assert all(len(location) == steps for head in first["heads"] for location in head)


def test_a_recording_is_transcribed(address: str, runs: dict[str, Run]) -> None:

    run = runs["listener"]
    recording = next(iter(run.inputs(run.plan.sources.data)))
    content = recording.read()
    answer = httpx.post(f"{address}/v1/transcribe", content=content, headers={"content-type": "audio/wav"}).json()
    assert answer["results"][0]["text"] == run.predict([recording])[0]
    broken = httpx.post(f"{address}/v1/transcribe", content=b"no sound", headers={"content-type": "audio/wav"})
    assert broken.status_code == 422
    assert "object at" not in broken.text


def test_vectors_are_those_of_embed(address: str, runs: dict[str, Run]) -> None:
    data = post(address, "/v1/embeddings", model="lstm", input=["the cat", "a"])["data"]
    np.testing.assert_allclose([item["embedding"] for item in data], runs["lstm"].embed(["the cat", "a"]), rtol=1e-6)


@pytest.mark.parametrize(
    ("path", "fields", "status", "field"),
    [
        ("/v1/next", {"inptu": "a"}, 422, "input"),
        ("/v1/next", {"input": "a", "other": 1}, 422, "other"),
        ("/v1/next", {"input": "a", "top": 10_000}, 422, "top"),
        ("/v1/next", {"input": ["a"] * 1_000}, 422, "input"),
        ("/v1/next", {"input": "a" * 100_000}, 422, "input"),
        ("/v1/next", {"input": "a", "model": "none"}, 404, "model"),
        ("/v1/next", {"input": "a", "model": "tagger"}, 404, "model"),
        ("/v1/score", {"input": "a", "model": "translator"}, 422, "input"),
        ("/v1/translate", {"input": "a", "beam_size": 100_000}, 422, "beam_size"),
        ("/v1/translate", {"input": "a", "length_penalty": 1e308}, 422, "length_penalty"),
        ("/v1/completions", {"prompt": "a", "max_tokens": -1}, 422, "max_tokens"),
        ("/v1/completions", {"prompt": "a", "temperature": "hot"}, 422, "temperature"),
        ("/v1/completions", {"prompt": [1, 2]}, 422, "prompt"),
        ("/v1/forecast", {}, 422, "values"),
        ("/v1/forecast", {"values": [1.0]}, 422, "values"),
        ("/v1/forecast", {"rows": {"time": [1, 2], "value": [1]}}, 422, "rows"),
        ("/v1/classify", {"input": [[1.0, 2.0]], "model": "bag"}, 422, None),
        ("/v1/nearest", {"input": "zzzzz"}, 422, None),
    ],
)
def test_what_is_wrong_is_named(address: str, path: str, fields: Any, status: int, field: str | None) -> None:
    response = httpx.post(address + path, json=fields)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    if field is not None:
        assert error["param"] == field
    assert "/" not in error["message"].replace("/v1", "")


def test_a_body_that_is_no_request(address: str) -> None:
    json = {"content-type": "application/json"}
    assert httpx.post(f"{address}/v1/next", content=b"{", headers=json).status_code == 400
    assert httpx.post(f"{address}/v1/next", content=b"{}").status_code == 415
    assert httpx.post(f"{address}/v1/next", content=b" " * (5 << 20), headers=json).status_code == 413
    assert httpx.get(f"{address}/v1/next").status_code == 405
    assert httpx.get(f"{address}/none").status_code == 404


def test_other_sites_cannot_ask(address: str) -> None:
    assert httpx.get(f"{address}/v1/models", headers={"host": "evil.example"}).status_code == 421
    assert "access-control-allow-origin" not in httpx.get(address, headers={"origin": "http://evil.example"}).headers


def test_pages_of_a_run_are_served_and_nothing_else(address: str, runs: dict[str, Run]) -> None:
    (runs["lstm"].folder / "report.html").write_text("<p>report")
    assert httpx.get(f"{address}/reports/lstm/report.html").text == "<p>report"
    assert "sandbox" in httpx.get(f"{address}/reports/lstm/report.html").headers["content-security-policy"]
    for path in ("config.toml", "..%2Fconfig.toml", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "model.safetensors"):
        assert httpx.get(f"{address}/reports/lstm/{path}").status_code == 404
    assert httpx.get(f"{address}/page/..%2Fapp.py").status_code == 404


def test_health_and_counts(address: str) -> None:
    assert httpx.get(f"{address}/v2/health/live").json() == {"live": True}
    assert httpx.get(f"{address}/v2/health/ready").json() == {"ready": True}
    assert "seqloom_requests_total" in httpx.get(f"{address}/metrics").text
    assert set(httpx.get(f"{address}/openapi.json").json()["paths"]) >= {endpoint.path for endpoint in ENDPOINTS}


def test_other_sites_may_ask_only_where_they_are_named(runs: dict[str, Run]) -> None:
    preflight = {"origin": "https://a.example", "access-control-request-method": "POST",
                 "access-control-request-headers": "authorization,content-type"}  # fmt: skip
    models, body = hosted({"words": runs["words"]}), {"input": "zzz"}
    with serving(models, key="k", origins=["https://a.example"]) as address:
        allowed = httpx.options(f"{address}/v1/nearest", headers=preflight)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://a.example")
        answer = httpx.post(f"{address}/v1/nearest", json=body, headers={"origin": "https://a.example"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, "https://a.example")
        other = httpx.options(f"{address}/v1/nearest", headers=preflight | {"origin": "https://b.example"})
        assert "access-control-allow-origin" not in other.headers
    with serving(models) as address:
        answer = httpx.post(f"{address}/v1/nearest", json=body, headers={"origin": "https://a.example"})
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_guide_says_the_limits() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
    text, limits = " ".join(guide.split()), Limits()
    assert f"{limits.body_bytes >> 20} MiB, {limits.items} items of {limits.characters:,} characters" in text
    assert f"{limits.tokens:,} tokens to write and {limits.beam} hypotheses a beam" in text
    assert f"beyond {limits.waiting} waiting requests" in text
    paths = {endpoint.path for endpoint in ENDPOINTS} | {
        "/v1/completions",
        "/v1/transcribe",
        "/v1/models",
        "/v1/trainings",
    }
    assert all(f"`{path}`" in guide for path in paths)
