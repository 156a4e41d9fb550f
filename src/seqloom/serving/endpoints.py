"""What can be asked of each task's models: the path, the request, the answer, and the function between them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from seqloom.serving import openai_schema, schema
from seqloom.serving.hosted import Hosted
from seqloom.serving.response_error import ResponseError
from seqloom.serving.service import Endpoint, Service, register, texts_of
from seqloom.serving.tagged import tagged_steps, tagged_words

_WORD = re.compile(r"\S+")
_WORDS_WEIGHED = 100

ENDPOINTS: list[Endpoint] = []
endpoint = partial(register, ENDPOINTS)


@endpoint("/v1/next", "What may come next after a text", schema.NextRequest, schema.NextTokens)
async def next_tokens(service: Service, request: schema.NextRequest) -> Mapping[str, Any]:
    model = service.model(request.model, "next")
    texts = texts_of(service.limits, "input", request.input)
    service.limits.check("top", request.top, service.limits.answers)

    def answer(items: Sequence[str]) -> Iterator[Any]:
        for text in items:
            candidates = model.tokens.next(text, request.top)
            yield [{"text": c.text, "probability": float(np.exp(c.log_prob))} for c in candidates]

    results = await service.worker.answers((model, "next", request.top), answer, texts)
    return {"model": model.name, "results": results}


@endpoint("/v1/score", "How probable texts are, token by token", schema.ScoreRequest, schema.Scores)
async def score(service: Service, request: schema.ScoreRequest) -> Mapping[str, Any]:
    model = service.model(request.model, "score")
    items = request.input if isinstance(request.input, list) else [request.input]
    service.limits.check_items("input", items)
    of_pairs = model.task == "translate"
    for item in items:
        if isinstance(item, str) == of_pairs:
            expected = "objects with a source and a target" if of_pairs else "texts"
            raise ResponseError(422, f"the model {model.name!r} scores {expected}", "input")
        for text in (item,) if isinstance(item, str) else (item.source, item.target):
            service.limits.check_text("input", text)

    def answer(items: Sequence[Any]) -> Iterator[Any]:
        rows: Iterable[list[tuple[str, float]]]
        if of_pairs:
            rows = model.score_pairs([(pair.source, pair.target) for pair in items])
        else:
            rows = ([(token.text, token.log_prob) for token in model.tokens.score(text, end=True)] for text in items)
        for tokens in rows:
            shown = [{"token": token, "log_prob": log_prob} for token, log_prob in tokens]
            yield {"log_prob": sum(log_prob for _, log_prob in tokens), "tokens": shown}

    return {"model": model.name, "results": await service.worker.answers((model, "score"), answer, items)}


@endpoint(
    "/v1/embeddings",
    "A vector for each text, as of OpenAI's API",
    openai_schema.EmbeddingsRequest,
    openai_schema.Embeddings,
)
async def embeddings(service: Service, request: openai_schema.EmbeddingsRequest) -> Mapping[str, Any]:
    model = service.model(request.model, "embeddings")
    texts = texts_of(service.limits, "input", request.input)

    def answer(items: Sequence[str]) -> Iterator[Any]:
        yield from model.embed(items)

    vectors = await service.worker.answers((model, "embeddings"), answer, texts)
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(vector, request.encoding_format)}
        for index, vector in enumerate(vectors)
    ]
    words = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": words, "total_tokens": words}
    return {"model": model.name, "object": "list", "data": data, "usage": usage}


def _encoded(vector: Any, encoding: str) -> list[float] | str:
    if encoding == "float":
        return [float(value) for value in vector]
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()


@endpoint("/v1/translate", "Write one text given another", schema.TranslateRequest, schema.Translations)
async def translate(service: Service, request: schema.TranslateRequest) -> Mapping[str, Any]:
    model = service.model(request.model, "translate")
    return await _transduced(service, model, request, texts_of(service.limits, "input", request.input))


@endpoint("/v1/describe", "Write a text about a vector", schema.DescribeRequest, schema.Translations)
async def describe(service: Service, request: schema.DescribeRequest) -> Mapping[str, Any]:
    model, limits = service.model(request.model, "describe"), service.limits
    limits.check_items("input", request.input)
    for item in request.input:
        limits.check("input", len(item), limits.characters, "numbers")
    return await _transduced(service, model, request, [_numbers(item) for item in request.input])


async def _transduced(
    service: Service, model: Hosted, request: schema.TranslateRequest | schema.DescribeRequest, inputs: Sequence[Any]
) -> Mapping[str, Any]:
    limits = service.limits
    limits.check("n_best", request.n_best, limits.answers)
    limits.check("beam_size", request.beam_size or 1, limits.beam)
    limits.check("max_length", request.max_length or 1, limits.tokens)
    options = {
        name: value
        for name in ("n_best", "beam_size", "length_penalty", "max_length")
        if (value := getattr(request, name)) is not None
    }
    if request.attention:
        options["attention"] = True
    key = (model, "transduce", *sorted(options.items()))
    results = await service.worker.answers(key, lambda items: model.answers(items, options), inputs)
    return {"model": model.name, "results": [[_translation(answer) for answer in answers] for answers in results]}


def _translation(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: answer[name] for name in ("text", "log_prob", "score", "alignment") if name in answer}


@endpoint("/v1/classify", "The classes of texts or of numbers", schema.ClassifyRequest, schema.Classes)
async def classify(service: Service, request: schema.ClassifyRequest) -> Mapping[str, Any]:
    model, limits = service.model(request.model, "classify"), service.limits
    inputs: list[Any] = [request.input] if isinstance(request.input, str) else list(request.input)
    limits.check_items("input", inputs)
    for item in inputs:
        if isinstance(item, str):
            limits.check_text("input", item)
        else:
            limits.check("input", len(item), limits.characters, "numbers")
    if request.words and not all(isinstance(item, str) for item in inputs):
        raise ResponseError(422, "only texts have words", "words")
    arrays = [item if isinstance(item, str) else _numbers(item) for item in inputs]

    def answer(items: Sequence[Any]) -> Iterator[Any]:
        for item, answers in zip(items, model.answers(items, {}), strict=True):
            classes, best = _label_probabilities(answers), answers[0]
            yield {
                "classes": classes[: request.n_best],
                "labels": best.get("labels"),
                "number": best.get("number"),
                "words": _word_weights(model, item, classes) if request.words and classes else None,
            }

    key = (model, "classify", request.n_best, request.words)
    return {"model": model.name, "results": await service.worker.answers(key, answer, arrays)}


def _numbers(item: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    try:
        return np.array(item, np.float64)
    except ValueError:
        raise ResponseError(422, "the steps of a sequence have unlike numbers of values", "input") from None


def _label_probabilities(answers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The classes, or the labels of a set, the most probable first; none if the model predicts a number."""
    if "probabilities" in answers[0]:
        return [{"label": name, "probability": value} for name, value in answers[0]["probabilities"].items()]
    return [{"label": c["label"], "probability": c["probability"]} for c in answers if "label" in c]


def _word_weights(model: Hosted, text: str, classes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How much less probable the first class is without each of the first words (occlusion; Li et al. 2016)."""
    label, full = classes[0]["label"], classes[0]["probability"]
    words = list(_WORD.finditer(text))[:_WORDS_WEIGHED]
    without = [text[: word.start()] + text[word.end() :] for word in words]
    weights = []
    for word, answers in zip(words, model.answers(without, {}), strict=True):
        left = next(each["probability"] for each in _label_probabilities(answers) if each["label"] == label)
        weight = float(np.log(max(full, 1e-12)) - np.log(max(left, 1e-12)))
        weights.append({"text": word[0], "start": word.start(), "end": word.end(), "weight": weight})
    return weights


@endpoint("/v1/tag", "A tag for each word or step, and the spans that the tags mark", schema.TagRequest, schema.Tags)
async def tag(service: Service, request: schema.TagRequest) -> Mapping[str, Any]:
    model, limits = service.model(request.model, "tag"), service.limits
    inputs: list[Any] = [request.input] if isinstance(request.input, str) else list(request.input)
    limits.check_items("input", inputs)
    of_numbers = "channels" in model.facts
    for item in inputs:
        if isinstance(item, str) == of_numbers:
            expected = f"sequences of steps of {model.facts['channels']} numbers" if of_numbers else "texts"
            raise ResponseError(422, f"the model {model.name!r} tags {expected}", "input")
        if isinstance(item, str):
            limits.check_text("input", item)
        else:
            limits.check("input", sum(map(len, item)), limits.characters, "numbers")
    sequences = [_numbers(item) for item in inputs] if of_numbers else inputs

    def answer(items: Sequence[Any]) -> Iterator[Any]:
        for item, answers in zip(items, model.answers(items, {}), strict=True):
            yield tagged_steps(answers[0]) if of_numbers else tagged_words(item, answers[0])

    return {"model": model.name, "results": await service.worker.answers((model, "tag"), answer, sequences)}


@endpoint("/v1/forecast", "What follows series of numbers", schema.ForecastRequest, schema.Forecasts)
async def forecast(service: Service, request: schema.ForecastRequest) -> Mapping[str, Any]:
    model, limits = service.model(request.model, "forecast"), service.limits
    if (request.values is None) == (request.rows is None):
        raise ResponseError(422, "a series is given as values, or as rows of a table", "values")
    limits.check("horizon", request.horizon, limits.tokens, "steps")
    if request.rows is not None:
        lengths = {len(column) for column in request.rows.values()}
        if len(lengths) != 1:
            raise ResponseError(422, "the columns of the table have unlike lengths", "rows")
        limits.check("rows", lengths.pop(), limits.characters, "rows")
        items: list[Any] = [request.rows]
    else:
        values = request.values or []
        items = list(values) if values and isinstance(values[0], list) else [values]
        limits.check_items("values", items)
        for series in items:
            limits.check("values", len(series), limits.characters, "numbers")
            if len(series) < 2:
                raise ResponseError(422, "a series is two values or more", "values")

    def answer(items: Sequence[Any]) -> Iterator[Any]:
        for item in items:
            yield model.forecast(item, request.horizon)

    key = (model, "forecast", request.horizon)
    return {"model": model.name, "results": await service.worker.answers(key, answer, items)}


@endpoint("/v1/nearest", "The words with the nearest vectors", schema.NearestRequest, schema.Neighbours)
async def nearest(service: Service, request: schema.NearestRequest) -> Mapping[str, Any]:
    model = service.model(request.model, "nearest")
    words = texts_of(service.limits, "input", request.input)
    service.limits.check("top", request.top, 10 * service.limits.answers)

    def answer(items: Sequence[str]) -> Iterator[Any]:
        for word in items:
            yield _mapped(model.vectors, word, model.vectors.similar(word, request.top))

    return {
        "model": model.name,
        "results": await service.worker.answers((model, "nearest", request.top), answer, words),
    }


def _mapped(vectors: Any, word: str, near: Sequence[Any]) -> list[dict[str, Any]]:
    """Neighbours with their places on the first two principal components, the word itself at 0, 0."""
    rows = np.stack([vectors.vector(item.word) for item in near]) - vectors.vector(word) if near else np.zeros((0, 2))
    axes = np.linalg.svd(rows - rows.mean(0), full_matrices=False)[2][:2] if len(near) > 1 else np.zeros((2, 1))
    places = rows @ axes.T if len(near) > 2 else np.zeros((len(near), 2))
    return [
        {"word": item.word, "cosine": float(item.cosine), "x": float(x), "y": float(y)}
        for item, (x, y) in zip(near, places, strict=True)
    ]


@endpoint(
    "/v1/analogy", "The word that is to others as they are to each other", schema.AnalogyRequest, schema.Neighbours
)
async def analogy(service: Service, request: schema.AnalogyRequest) -> Mapping[str, Any]:
    model = service.model(request.model, "analogy")
    words = texts_of(service.limits, "positive", request.positive)
    without = texts_of(service.limits, "negative", request.negative)
    service.limits.check("top", request.top, 10 * service.limits.answers)

    def answer(items: Sequence[Any]) -> Iterator[Any]:
        for positive, negative in items:
            near = model.vectors.analogy(positive, negative, request.top)
            yield [{"word": item.word, "cosine": float(item.cosine)} for item in near]

    key = (model, "analogy", request.top)
    return {"model": model.name, "results": await service.worker.answers(key, answer, [(words, without)])}


@endpoint("/v1/memory", "Where the heads of a Neural Turing Machine look", schema.MemoryRequest, schema.Memory)
async def memory(service: Service, request: schema.MemoryRequest) -> Mapping[str, Any]:
    model = service.model(request.model, "memory")

    def answer(items: Sequence[int]) -> Iterator[Any]:
        for seed in items:
            yield model.memory(seed)

    (trace,) = await service.worker.answers((model, "memory"), answer, [request.seed])
    return {"model": model.name, **trace}
