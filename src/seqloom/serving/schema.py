"""Requests and answers, as OpenAPI describes them. What a request does not know is refused, with its name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

Text = Annotated[str, Field(description="a text")]
Texts = str | list[str]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    model: str = Field("", description="the name of a model (see /v1/models); empty: the first one that is able")


class Answer(BaseModel):
    model: str = Field(description="the name of the model that answered")


class NextRequest(Request):
    input: Texts = Field(description="a text, or several")
    top: int = Field(10, ge=1, description="how many candidates")


class NextToken(BaseModel):
    text: str = Field(description="what the token adds to the text")
    probability: float


class NextTokens(Answer):
    results: list[list[NextToken]]


class Pair(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    source: str
    target: str


class ScoreRequest(Request):
    input: str | Pair | list[str] | list[Pair] = Field(
        description="texts of a language model; a source and a target of a translator"
    )


class TokenScore(BaseModel):
    token: str
    log_prob: float = Field(description="in nats, given what comes before")


class TextScore(BaseModel):
    log_prob: float = Field(description="of the whole text, its end included, in nats")
    tokens: list[TokenScore]


class Scores(Answer):
    results: list[TextScore]


class TranslateRequest(Request):
    input: Texts = Field(description="a source, or several")
    n_best: int = Field(1, ge=1, description="answers for each source")
    beam_size: int | None = Field(None, ge=1, description="hypotheses of the beam search; 1 is greedy")
    length_penalty: FiniteFloat | None = Field(None, ge=0, le=10, description="rank by log-probability / length^this")
    max_length: int | None = Field(None, ge=1, description="tokens of an answer at most")
    attention: bool = Field(False, description="with the alignment, where the model has attention")


class Alignment(BaseModel):
    source: list[str]
    target: list[str]
    weights: list[list[float]] = Field(description="of each target token over the source tokens")


class Translation(BaseModel):
    text: str
    log_prob: float | None = None
    score: float | None = None
    alignment: Alignment | None = None


class Translations(Answer):
    results: list[list[Translation]]


Vectors = list[list[FiniteFloat]] | list[list[list[FiniteFloat]]]


class DescribeRequest(Request):
    input: Vectors = Field(description="vectors, or sequences of vectors")
    n_best: int = Field(1, ge=1, description="answers for each input")
    beam_size: int | None = Field(None, ge=1, description="hypotheses of the beam search; 1 is greedy")
    length_penalty: FiniteFloat | None = Field(None, ge=0, le=10, description="rank by log-probability / length^this")
    max_length: int | None = Field(None, ge=1, description="tokens of an answer at most")
    attention: bool = Field(False, description="with the alignment, where the model has attention")


class ClassifyRequest(Request):
    input: str | list[str] | Vectors = Field(
        description="texts; or sequences of numbers, or of steps of several numbers"
    )
    n_best: int | None = Field(None, ge=1, description="classes for each input; without it: all")
    words: bool = Field(False, description="how much each word spoke for the first class")


class ClassProbability(BaseModel):
    label: str
    probability: float


class WordWeight(BaseModel):
    text: str
    start: int
    end: int
    weight: float = Field(description="the log-probability of the class that is lost without the word, in nats")


class Classified(BaseModel):
    classes: list[ClassProbability]
    labels: list[str] | None = Field(
        None, description="the labels above their thresholds, of a model of several labels"
    )
    number: float | None = Field(None, description="of a model that predicts numbers")
    words: list[WordWeight] | None = None


class Classes(Answer):
    results: list[Classified]


class TagRequest(Request):
    input: Texts | list[list[list[FiniteFloat]]] = Field(
        description="sentences of words separated by whitespace; or sequences of steps of several numbers"
    )


class TaggedWord(BaseModel):
    text: str
    start: int = Field(description="the first character's place in the input")
    end: int
    tag: str
    probability: float


class TaggedStep(BaseModel):
    tag: str
    probability: float


class TaggedSpan(BaseModel):
    text: str | None = Field(None, description="of words")
    start: int = Field(description="the first character, or the first step")
    end: int
    label: str


class Tagged(BaseModel):
    words: list[TaggedWord] = Field([], description="of a sentence")
    steps: list[TaggedStep] = Field([], description="of a sequence of numbers")
    spans: list[TaggedSpan] | None = Field(description="what the tags mark, where they mark spans")


class Tags(Answer):
    results: list[Tagged]


class ForecastRequest(Request):
    values: list[FiniteFloat] | list[list[FiniteFloat]] | None = Field(None, description="a series, or several")
    rows: dict[str, list[str | int | float | None]] | None = Field(
        None, description="a table: the columns of the training data by name"
    )
    horizon: int = Field(0, ge=0, description="steps ahead; 0: as in training")


class ForecastStep(BaseModel):
    series: str
    time: str
    mean: float
    quantiles: dict[str, float]


class Forecasts(Answer):
    results: list[list[ForecastStep]]


class HeardWord(BaseModel):
    text: str
    start: float = Field(description="in seconds")
    end: float
    confidence: float


class Transcript(BaseModel):
    text: str
    confidence: float
    words: list[HeardWord]


class Transcripts(Answer):
    results: list[Transcript] = Field(description="the best first")


class NearestRequest(Request):
    input: Texts = Field(description="a word, or several")
    top: int = Field(10, ge=1, description="words for each")


class Neighbour(BaseModel):
    word: str
    cosine: float
    x: float | None = Field(None, description="its place on a map of the answer (principal components)")
    y: float | None = None


class Neighbours(Answer):
    results: list[list[Neighbour]]


class AnalogyRequest(Request):
    positive: list[str] = Field(min_length=1, description="words that are added, each at length 1")
    negative: list[str] = Field(default_factory=list, description="words that are taken away")
    top: int = Field(10, ge=1, description="words of the answer")


class MemoryRequest(Request):
    seed: int = Field(1, ge=0, lt=2**31, description="which sequence is generated")


class Band(BaseModel):
    name: str
    values: list[list[float]]


class Memory(Answer):
    bands: list[Band] = Field(description="what went in and came out: rows × steps")
    heads: list[list[list[float]]] = Field(description="the weights of each head: locations × steps")
    read_heads: int


class Trainings(BaseModel):
    data: list[str] = Field(description="the names of the trainings that can be watched")


class TrainingState(BaseModel):
    name: str
    task: str
    network: str
    seed: int | None
    budget: dict[str, float]
    status: Literal["preparing", "training", "evaluating", "interrupted", "finished"]
    rows: list[dict[str, Any]] = Field(description="the metrics of each validation")
    live: dict[str, Any] | None = Field(description="where the training was a second ago, while it trains")
    score: str = Field(description="the metric by which the best weights are chosen; empty before the first validation")
    best_updates: int | None
    ended: dict[str, Any] | None = Field(description="what was measured at the end")
    weights: str = Field(description="changes when better weights are saved")


class TrainingOutput(BaseModel):
    updates: int | None = Field(description="after how many updates the weights were saved")
    kind: Literal["text", "answer", "forecast", "memory"]
    held_out: bool = Field(description="whether the examples are of the validation data")
    items: list[dict[str, Any]]


class TrainingOutputs(BaseModel):
    data: list[TrainingOutput] = Field(description="the newest first")


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None
    code: int


class ErrorAnswer(BaseModel):
    error: ErrorDetail
