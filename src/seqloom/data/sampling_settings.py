"""The settings of random segmentations into subwords."""

from __future__ import annotations

from pydantic import Field

from seqloom.config import Settings
from seqloom.data.line_batches import Resample
from seqloom.data.tokenizer import Tokenizer
from seqloom.errors import RequestError


class SamplingSettings(Settings):
    """The part of a task's settings of data that samples segmentations."""

    bpe_dropout: float = Field(
        0.0, ge=0, lt=1, description="bpe: share of the merges that are left out at random in training; 0.1 is usual"
    )
    unigram_sampling: float = Field(
        0.0,
        ge=0,
        le=1,
        description="unigram: in training, sample segmentations, with their probabilities to this power; 0.2 is usual; "
        "0: the most probable one",
    )


def subword_samplers(
    tokenizers: tuple[Tokenizer | None, ...], settings: SamplingSettings, seed: int
) -> tuple[Resample | None, ...]:
    """What segments the words of each side of a batch anew; None for a side whose tokens are not sampled.

    Raises RequestError if a setting asks for it and no side has tokens of its kind.
    """
    if not settings.bpe_dropout and not settings.unigram_sampling:
        return (None,) * len(tokenizers)
    from seqloom.data.subword_sampling import SubwordSampler

    kinds = {tokenizer.kind for tokenizer in tokenizers if tokenizer is not None}
    for name, kind in (("bpe_dropout", "bpe"), ("unigram_sampling", "unigram")):
        if getattr(settings, name) and kind not in kinds:
            raise RequestError(
                f"there are no tokens of kind {kind} to segment at random",
                where=f"data.{name}",
                got=getattr(settings, name),
                expected=f"tokenizer.kind={kind}",
            )
    amounts = {"bpe": settings.bpe_dropout, "unigram": settings.unigram_sampling}
    return tuple(
        SubwordSampler(tokenizer, amounts[tokenizer.kind], seed, side)
        if tokenizer is not None and amounts.get(tokenizer.kind)
        else None
        for side, tokenizer in enumerate(tokenizers)
    )
