"""Replaces unknown words of a target by words of its source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from seqloom.data.tokenizer import SPECIALS, UNK


def copy_unknown(
    words: Sequence[str], attention: Float[NDArray[np.float32], "target source"], source: Sequence[str]
) -> list[str]:
    """The `words`, with each `<unk>` replaced by the source word with the most attention (Luong et al. 2015b, but with
    attention instead of alignments).

    `attention` has a row for each word, and may have one for `<eos>`; and a column for each source word, and one for
    `<eos>`, which is not copied.
    """
    if not source:
        return list(words)
    most = attention[:, : len(source)].argmax(1)
    return [source[most[i]] if word == SPECIALS[UNK] else word for i, word in enumerate(words)]
