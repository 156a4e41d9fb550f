"""Requests and answers of OpenAI's API, as far as it is understood here."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, FiniteFloat

from seqloom.serving.schema import Answer, Request, Texts


class CompletionRequest(Request):
    """As of OpenAI's API. Prompts are texts; token numbers are not understood."""

    prompt: Texts = Field("", description="a prompt, or several")
    max_tokens: int = Field(16, ge=0, description="tokens that are written at most")
    temperature: FiniteFloat = Field(1.0, ge=0, le=1_000, description="0: the most probable token each time")
    top_p: FiniteFloat = Field(1.0, gt=0, le=1, description="sample from the fewest tokens with this probability")
    top_k: int = Field(0, ge=0, description="sample from the k most probable tokens; 0: from all")
    n: int = Field(1, ge=1, description="texts for each prompt")
    logprobs: int | None = Field(None, ge=0, description="give log-probabilities, and those of so many candidates")
    echo: bool = Field(False, description="give the prompt too")
    stop: str | list[str] | None = Field(None, description="texts before which a completion ends")
    seed: int | None = Field(None, ge=0, lt=2**63, description="equal seeds give equal texts")
    stream: bool = Field(False, description="give the text as server-sent events, as it is written")
    stream_options: dict[Literal["include_usage"], bool] | None = Field(None, description="usage in the last event")
    user: str | None = Field(None, description="has no effect")


class LogProbs(BaseModel):
    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float]] | None
    text_offset: list[int]


class Choice(BaseModel):
    text: str
    index: int
    logprobs: LogProbs | None
    finish_reason: Literal["stop", "length"] | None


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(Answer):
    id: str
    object: Literal["text_completion"]
    created: int
    choices: list[Choice]
    usage: Usage | None = None


class ModelCard(BaseModel):
    id: str
    object: Literal["model"]
    created: int = Field(description="when the weights were saved, in seconds since 1970")
    owned_by: str
    updates: int | None = Field(description="after how many updates of the training the weights were saved")
    task: str
    network: str
    abilities: list[str] = Field(description="the endpoints that it answers")
    facts: dict[str, Any]
    reports: list[str] = Field(description="pages of its folder")


class Models(BaseModel):
    object: Literal["list"]
    data: list[ModelCard]


class EmbeddingsRequest(Request):
    input: Texts = Field(description="a text, or several")
    encoding_format: Literal["float", "base64"] = Field("float", description="base64: little-endian float32 numbers")
    user: str | None = Field(None, description="has no effect")


class Embedding(BaseModel):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Embeddings(Answer):
    object: Literal["list"]
    data: list[Embedding]
    usage: dict[str, int]
