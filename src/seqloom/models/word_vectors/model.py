"""Skip-gram and CBOW (Mikolov et al. 2013): a vector for every word, learnt from the words around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.data.text_codec import TextCodec
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, SPECIALS
from seqloom.errors import RequestError, SeqloomError
from seqloom.models.fitted import FittedByPasses
from seqloom.models.word_vectors.async_sgd import pass_over
from seqloom.models.word_vectors.deterministic import pass_in_rounds
from seqloom.models.word_vectors.network import Network
from seqloom.models.word_vectors.sampling import Sampler, make_sampler
from seqloom.models.word_vectors.settings import CBOWSettings, WordVectorSettings
from seqloom.models.word_vectors.subwords import NO_SUBWORDS, with_rows_of_documents, word_rows
from seqloom.models.word_vectors.tree import NO_TREE, huffman_tree
from seqloom.models.word_vectors.weights import (
    Weights,
    composed_vectors,
    own_rows,
    padded_rows,
    random_rows,
    zero_rows,
)
from seqloom.processors import num_threads, run_all
from seqloom.storage.arrays import copy_into, map_arrays, write_arrays

_MAX_STEP_TOKENS, _MIN_STEPS, _MIN_STEP_TOKENS = 1 << 17, 16, 1 << 10
_HELD_OUT_TOKENS = 1 << 16
_SLICES = 8
"""Held-out text is measured in this many slices for any number of threads, so that the sums do not depend on it."""
_HELD_OUT_SEED = 1


class WordVectors(FittedByPasses):
    """The base of skip-gram and CBOW. `counts`: the frequency of each word in the training text."""

    settings: type[WordVectorSettings] = WordVectorSettings
    is_cbow = False
    has_documents = False
    """Whether every line of the training text has a vector too, after those of the words and n-grams."""
    has_words = True
    """Whether the vectors of words are trained."""

    def __init__(self, settings: WordVectorSettings) -> None:
        self.config = settings
        self.stride = -(-settings.dim // 8) * 8
        self.counts: NDArray[np.int64] = np.zeros(0, np.int64)
        self.arrays: Mapping[str, NDArray[Any]] = {}
        self._text: TokenFile | None = None
        self._weights: Weights | None = None
        self._word_rows, self._tree = NO_SUBWORDS, NO_TREE
        self._sampler: Sampler | None = None
        self._seed = 1

    def begin(self, train: TokenFile, codec: TextCodec, seed: int) -> None:
        self.initialise(train, codec.tokenizer.tokens(), seed)

    def initialise(self, train: TokenFile, tokens: Sequence[str], seed: int) -> None:
        """Initialises random vectors for the vocabulary, `tokens` in the order of their ids."""
        settings = self.config
        self._text, self._seed = train, seed
        self._set_counts(train.counts(len(tokens)))
        self._word_rows = word_rows(tokens, settings.subwords)
        rows = self._first_document_row() + (train.num_lines if self.has_documents else 0)
        if self.has_documents:
            self._word_rows = with_rows_of_documents(self._word_rows, self._first_document_row(), rows)
        inputs = random_rows(rows, self.stride, settings.dim, seed)
        self._weights = Weights(inputs, zero_rows(len(tokens), self.stride))
        # A step past the end of the text trains nothing, but compiles the loops before the outputs take memory.
        self.step(0, self.num_steps(), 0.0)

    def _first_document_row(self) -> int:
        """The number of rows of words and n-grams."""
        return len(self.counts) + (self.config.subwords.buckets if len(self._word_rows.rows) else 0)

    def begin_from(self, folder: Path) -> str:
        """Old words keep their vectors, and their counts are added up, as by gensim's `build_vocab(update=True)`. A
        Huffman tree depends on the counts; if it changes, its weights begin anew."""
        assert self._weights is not None
        where, dim = folder / "model.safetensors", self.config.dim
        arrays = map_arrays(where)
        shapes = {name: array.shape for name, array in arrays.items()}
        old = shapes.get("counts", (0,))[0]
        inputs, outputs = (rows.reshape(-1, self.stride)[:, :dim] for rows in self._weights)
        ngrams = inputs[len(self.counts) : self._first_document_row()]
        vectors = shapes.get("vectors" if self.has_words else "outputs")
        if vectors != (old, dim) or shapes.get("ngrams", (0, dim)) != ngrams.shape:
            raise RequestError(
                "the vectors to initialise from have other sizes", where="--from", got=shapes,
                expected=f"model.dim={dim}",
                hint="leave out settings of the sizes: model.dim, model.subwords",
            )  # fmt: skip
        if len(ngrams):
            ngrams[:] = arrays["ngrams"]
        if self.has_words:
            inputs[:old] = own_rows(arrays["vectors"], inputs, self._word_rows)
        tree = huffman_tree(np.array(arrays["counts"])) if self._tree is not NO_TREE else NO_TREE
        counts = self.counts.copy()
        counts[:old] += arrays["counts"]
        self._set_counts(counts)
        taken = f"{'vectors' if self.has_words else 'outputs'}; new: {len(counts) - old:,} words"
        if not (np.array_equal(tree.begins, self._tree.begins) and np.array_equal(tree.nodes, self._tree.nodes)):
            return f"{taken}; not the weights of the Huffman tree"
        outputs[:old] = arrays["outputs"]
        return taken

    def begin_again(self, folder: Path) -> None:
        """The counts are those of all texts so far."""
        self._set_counts(np.array(map_arrays(folder / "model.safetensors", ("counts",))["counts"]))

    def _set_counts(self, counts: NDArray[np.int64]) -> None:
        settings = self.config
        if not counts[len(SPECIALS) :].any():
            raise SeqloomError(
                "no word is frequent enough to get a vector",
                expected="a word that occurs at least tokenizer.min_count times",
            )
        self.counts, self._sampler = counts, make_sampler(counts, settings.sample, settings.negative_power)
        self._tree = huffman_tree(counts) if settings.objective == "hierarchical-softmax" else NO_TREE

    def _step_tokens(self) -> int:
        assert self._text is not None
        return min(_MAX_STEP_TOKENS, max(_MIN_STEP_TOKENS, -(-len(self._text) // _MIN_STEPS)))

    def num_steps(self) -> int:
        assert self._text is not None
        return -(-len(self._text) // self._step_tokens())

    def step(self, epoch: int, step: int, share: float) -> tuple[float, int]:
        assert self._text is not None
        size, settings = self._step_tokens(), self.config
        first = step * size
        ids = self._text.read(first, first + size)
        rate = settings.learning_rate - (settings.learning_rate - settings.last_learning_rate) * min(share, 1.0)
        rate, number = max(rate, settings.last_learning_rate), epoch * self.num_steps() + step
        if settings.deterministic:
            return pass_in_rounds(ids, self._network(), rate, self._seed, number, self._text.line_at(first))
        threads = num_threads()
        bounds = np.linspace(0, len(ids), threads + 1).astype(int).tolist()
        lines = [self._text.line_at(first + bound) for bound in bounds] if self.has_documents else [0] * len(bounds)
        return self._over(ids, bounds, rate, number * 4_096, lines)

    def _over(
        self, ids: NDArray[Any], bounds: Sequence[int], rate: float, number: int, lines: Sequence[int]
    ) -> tuple[float, int]:
        """Passes over each slice between two bounds, on all threads; `lines`: those at the bounds. Returns the summed
        loss in nats and the number of inputs."""
        network = self._network()

        def work(i: int) -> tuple[float, int]:
            slice_number = number + i if rate else _fingerprint(ids[bounds[i] : bounds[i + 1]])
            seed = self._seed if rate else _HELD_OUT_SEED
            return pass_over(ids, bounds[i], bounds[i + 1], network, np.float32(rate), seed, slice_number, lines[i])

        losses = run_all(work, range(len(bounds) - 1))
        return sum(loss for loss, _ in losses), sum(pairs for _, pairs in losses)

    def _network(self) -> Network:
        assert self._weights is not None
        assert self._sampler is not None
        settings, average_gradient = self.config, getattr(self.config, "compat", "none") == "none"
        return Network(
            *(*self._weights, self.stride, self._word_rows, self._sampler, self._tree),
            *(self._window(), settings.negatives, self.is_cbow, average_gradient),
            len(self.counts) if self.has_documents else 0,
        )

    def _window(self) -> int:
        return self.config.window

    def measure(self, text: TokenFile) -> tuple[float, int]:
        """The summed loss in nats and the number of inputs. Subsampling, window sizes and negative samples are drawn as
        in training, and are the same every time."""
        self._make_ready()
        losses = [self._measure(ids) for ids in text.stretches(_HELD_OUT_TOKENS)]
        return sum(nats for nats, _ in losses), sum(pairs for _, pairs in losses)

    def _measure(self, ids: NDArray[Any]) -> tuple[float, int]:
        ends = np.flatnonzero(ids == EOS) + 1
        near = np.searchsorted(ends, np.linspace(0, len(ids), _SLICES + 1)[1:-1])
        bounds = sorted({0, len(ids), *(int(ends[place]) for place in near if place < len(ends))})
        return self._over(ids, bounds, 0.0, 0, [0] * len(bounds))

    def vectors(self) -> NDArray[np.float32]:
        """(vocab, dim): the vector of each word; with subwords, the mean of its own row and those of its character
        n-grams."""
        if self._weights is None:
            return self.arrays["vectors"]
        rows = self._weights.inputs.reshape(-1, self.stride)[:, : self.config.dim]
        return composed_vectors(rows, self._word_rows, len(self.counts))

    def save(self, folder: Path) -> None:
        arrays = dict(self.arrays)  # of an opened model
        if not arrays:
            assert self._weights is not None
            arrays = self._saved_arrays(self._weights)
        write_arrays(folder / "model.safetensors", arrays, {"format": "seqloom word vectors 1"})

    def _saved_arrays(self, weights: Weights) -> dict[str, NDArray[Any]]:
        inputs, outputs = (rows.reshape(-1, self.stride)[:, : self.config.dim] for rows in weights)
        arrays: dict[str, NDArray[Any]] = {"vectors": self.vectors(), "outputs": outputs, "counts": self.counts}
        if len(self._word_rows.rows):
            arrays["ngrams"] = inputs[len(self.counts) : self._first_document_row()]
        return arrays

    def open(self, folder: Path) -> None:
        where = folder / "model.safetensors"
        arrays = map_arrays(where, changeable=True)  # kernels are compiled for arrays that change
        shapes = {name: array.shape for name, array in arrays.items()}
        rows = self._saved_rows(*shapes.get("counts", ())[:1])
        is_whole = all(shapes.get(name) == (size, self.config.dim) for name, size in rows.items())
        kinds = {arrays[name].dtype.type for name in arrays if name != "counts"}
        is_whole = is_whole and "counts" in arrays and arrays["counts"].dtype == np.int64 and kinds == {np.float32}
        if not is_whole or arrays["counts"].ndim != 1:
            raise SeqloomError("the word vectors are damaged", where=str(where), got=f"arrays of {shapes}")
        is_finite = all(np.isfinite(arrays[name]).all() for name in rows if name != "ngrams")
        if (arrays["counts"] < 0).any() or not is_finite:
            raise SeqloomError("the word vectors are damaged", where=str(where), got="numbers that are not finite")
        self.arrays, self._weights, self._text, self._word_rows = arrays, None, None, NO_SUBWORDS
        self._set_counts(np.array(arrays["counts"]))

    def _saved_rows(self, words: int = 0) -> dict[str, int]:
        """The number of rows of each saved matrix, with a vocabulary of so many words."""
        rows = {"vectors": words, "outputs": words} if self.has_words else {"outputs": words}
        return rows | ({"ngrams": self.config.subwords.buckets} if self.config.subwords.longest else {})

    def data_sizes(self) -> dict[str, int]:
        return {"vocab_size": len(self.arrays["counts"])}

    def _make_ready(self) -> None:
        """Arranges opened vectors for the compiled loops; copies them only if rows do not fill whole vector
        registers."""
        if self._weights is None:
            nothing = np.zeros((0, self.config.dim), np.float32)
            vectors, outputs = self.arrays.get("vectors", nothing), self.arrays["outputs"]
            self._weights = Weights(padded_rows(vectors, self.stride), padded_rows(outputs, self.stride))

    @property
    def vocab_size(self) -> int:
        return len(self.counts)

    def num_parameters(self) -> int:
        """The number of weights of the vectors, the outputs and the character n-grams, as far as they are saved."""
        return self.config.dim * sum(self._saved_rows(len(self.counts)).values())

    def state(self) -> dict[str, NDArray[Any]]:
        assert self._weights is not None
        return {"inputs": self._weights.inputs, "outputs": self._weights.outputs}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        assert self._weights is not None
        for name, weights in self.state().items():
            if state[name].shape != weights.shape:
                raise SeqloomError("the checkpoint has other vectors", got=state[name].shape, expected=weights.shape)
            copy_into(weights, state[name])


class SkipGram(WordVectors):
    """Skip-gram: each word of a window predicts the word in its middle."""

    description = "Skip-gram: each word predicts the words around it."
    source = "Mikolov et al. 2013"


class CBOW(WordVectors):
    """CBOW: the mean of the words of a window predicts the word in its middle."""

    description = "Continuous bag of words: the mean of the words around a word predicts it."
    source = "Mikolov et al. 2013"
    settings = CBOWSettings
    is_cbow = True


def _fingerprint(ids: NDArray[Any]) -> int:
    """A number that depends on the ids alone."""
    weights = np.arange(1, len(ids) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return int((ids.astype(np.uint64) * weights).sum(dtype=np.uint64) >> np.uint64(2))
