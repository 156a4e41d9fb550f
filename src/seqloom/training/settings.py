"""The settings of training a network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from seqloom.config import Settings, needs
from seqloom.runtime import Precision


class TrainingSettings(Settings):
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="AdamW, or SGD with momentum")
    learning_rate: float = Field(2e-3, gt=0, le=1e3, description="the highest learning rate")
    weight_decay: float = Field(0.01, ge=0, le=1, description="decoupled decay of matrices (not of biases and norms)")
    beta1: float = Field(0.9, ge=0, lt=1, description="decay of the average of gradients (SGD: momentum)")
    beta2: float = Field(
        0.999, ge=0, lt=1, description="AdamW: decay of the average of squared gradients",
        json_schema_extra=needs(optimizer=["adamw"]),
    )  # fmt: skip
    warmup: float = Field(0.02, ge=0, lt=1, description="share of the budget in which the learning rate rises from 0")
    schedule: Literal["cosine", "linear", "wsd", "constant"] = Field(
        "wsd", description="how the learning rate falls to 0; wsd: it is constant until the last part, the decay"
    )
    decay: float = Field(
        0.3, gt=0, le=1, description="wsd: share of the budget in which the learning rate falls",
        json_schema_extra=needs(schedule=["wsd"]),
    )  # fmt: skip
    clip_norm: float = Field(1.0, ge=0, description="largest norm of the gradient of all weights; 0: no limit")
    accumulate: int = Field(1, gt=0, le=2**20, description="batches per update")
    freeze: tuple[str, ...] = Field(
        (), validate_default=False, description="parts of the network that are not trained, such as embedding,encoder"
    )
    precision: Precision = Field(
        "auto",
        description="auto: bfloat16 where it is faster: on a GPU; with AMX or AMD's AVX-512 for batches of one shape",
    )
    average: float = Field(
        0.0, ge=0, lt=1, description="share of the averaged weights kept at an update, such as 0.999; 0: no averaging"
    )
    evaluations: int = Field(20, gt=0, le=10**6, description="largest number of validations along the budget")
    patience: int = Field(
        0, ge=0, description="validations without a gain before training stops, with wsd after an early decay; 0: never"
    )
    checkpoint_seconds: float = Field(60.0, ge=0, description="smallest time between checkpoints for --resume")

    @field_validator("freeze", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value
