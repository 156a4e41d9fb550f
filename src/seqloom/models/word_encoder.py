"""Word representations: a word embedding concatenated with the summary of a layer over the characters."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from pydantic import Field, field_validator
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.data.batches import Forms
from seqloom.data.tokenizer import UNK
from seqloom.errors import unknown_name
from seqloom.models.encoder import Encoder
from seqloom.nn.layer import SequenceLayer, layers
from seqloom.nn.layers.recurrent import RecurrentStack


class WordSettings(Settings):
    dim: int = Field(100, gt=0, le=2**16, description="dimension of a word embedding")
    from_: str = Field("", alias="from", description="pretrained embeddings: a run or a file; sets dim")
    unknown: float = Field(
        0.25,
        ge=0,
        le=1e6,
        description="in training, a word that occurs n times is replaced by <unk> at the rate unknown / (unknown + n)",
    )


class CharacterSettings(Settings):
    layer: str = Field("bilstm", description="the recurrent layer over the characters of a word")
    dim: int = Field(25, gt=0, le=2**16, description="dimension of a character embedding")
    hidden_size: int = Field(25, gt=0, le=2**16, description="dimension of the hidden state of each direction")

    @field_validator("layer")
    @classmethod
    def _is_recurrent(cls, name: str) -> str:
        recurrent = [known for known in layers if issubclass(layers[known], RecurrentStack)]
        if name not in recurrent:
            raise unknown_name("recurrent layer", name, recurrent, where="characters.layer")
        return name

    def make_layer(self) -> SequenceLayer:
        kind = layers[self.layer]
        return kind(self.dim, kind.settings.model_validate({"hidden_size": self.hidden_size, "num_layers": 1}))


class WordEncoder(nn.Module):
    """A word embedding concatenated with the last hidden states of a recurrent layer over the characters, of both
    directions if it is bidirectional (Ling et al. 2015; Lample et al. 2016, section 4.1).

    To train the embedding of `<unk>`, rare words are replaced by it at random (Kiperwasser and Goldberg 2016, section
    4)."""

    def __init__(
        self,
        word_counts: NDArray[np.int64],
        num_characters: int,
        words: WordSettings,
        characters: CharacterSettings,
    ) -> None:
        """`word_counts`: the frequency of each word id in the training data."""
        super().__init__()
        self.unknown = words.unknown
        self.words = _table(len(word_counts), words.dim)
        self.letters = Encoder(_table(num_characters, characters.dim), characters.make_layer())
        self.output_size = words.dim + self.letters.summary_size
        self.word_counts: Tensor
        self.register_buffer("word_counts", torch.from_numpy(word_counts))

    def forward(self, forms: Forms) -> Float[Tensor, "forms size"]:
        """One vector for each distinct word."""
        word_ids = forms.word_ids
        if self.training and self.unknown:
            rate = self.unknown / (self.unknown + self.word_counts[word_ids])
            word_ids = torch.where(torch.rand_like(rate) < rate, UNK, word_ids)
        character_summary = self.letters(forms.characters, forms.lengths).summary
        return torch.cat([self.words(word_ids), character_summary], dim=1)


def _table(rows: int, dim: int) -> nn.Embedding:
    """An embedding with vectors of length about 1."""
    table = nn.Embedding(rows, dim)
    nn.init.normal_(table.weight, std=dim**-0.5)
    return table
