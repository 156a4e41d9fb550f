"""Unknown words of a target, copied from its source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from seqloom.data.tokenizer import SPECIALS, UNK


def copy_unknown(
    words: Sequence[str], attention: Float[NDArray[np.float32], "target source"], source: Sequence[str]
) -> list[str]:
    """`words` with the most attended word of `source` for each `<unk>` (Luong et al. 2015b, with attention where
    they align).

    `attention` has a row for each word, and may have one for `<eos>`; a column for each source word, and one for
    `<eos>`, which is not copied.
    """
    if not source:
        return list(words)
    most = attention[:, : len(source)].argmax(1)
    return [source[most[i]] if word == SPECIALS[UNK] else word for i, word in enumerate(words)]
