"""Hierarchical softmax: the words are the leaves of a Huffman tree, each predicted by the branches on its path.

p(word | input) is the product over the inner nodes of the path of sigmoid(branch * input . node) (Morin and Bengio
2005; Mikolov et al. 2013, section 2.1), a distribution over the whole vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.data.tokenizer import SPECIALS


class Tree(NamedTuple):
    """The path to word i has the `nodes[begins[i]:begins[i + 1]]`, the root first, with their `branches`, +1 or -1.
    Nodes are numbered from 1. Without a tree, `begins` has one entry."""

    begins: NDArray[np.int64]
    nodes: NDArray[np.int32]
    branches: NDArray[np.float32]


NO_TREE = Tree(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))


def huffman_tree(counts: NDArray[np.int64]) -> Tree:
    """The tree of the words after the special tokens; frequent words have short paths. Takes linear time, with two
    queues."""
    first = len(SPECIALS)
    words = first + np.argsort(-counts[first:], kind="stable")
    size = len(words)
    weights = np.concatenate([counts[words][::-1], np.zeros(max(size - 1, 0), np.int64)]).tolist()
    parent, branch = np.zeros(len(weights), np.int64), np.ones(len(weights), np.float32)
    leaf, inner = 0, size
    for node in range(size, 2 * size - 1):
        for direction in (1.0, -1.0):
            if leaf < size and (inner >= node or weights[leaf] <= weights[inner]):
                child, leaf = leaf, leaf + 1
            else:
                child, inner = inner, inner + 1
            weights[node] += weights[child]
            parent[child], branch[child] = node, direction
    return _paths(words[::-1], parent, branch, len(counts))


def _paths(words: NDArray[np.int64], parent: NDArray[np.int64], branch: NDArray[np.float32], vocab_size: int) -> Tree:
    """`words[i]` is leaf i; the root is the last node."""
    root = len(parent) - 1
    paths: list[tuple[list[int], list[float]]] = [([], [])] * vocab_size
    for leaf in range(len(words)):
        nodes, branches, node = [], [], leaf
        while node != root:
            branches.append(float(branch[node]))
            node = int(parent[node])
            nodes.append(root - node + 1)
        paths[words[leaf]] = nodes[::-1], branches[::-1]
    begins = np.concatenate([[0], np.cumsum([len(nodes) for nodes, _ in paths])]).astype(np.int64)
    size = int(begins[-1])
    return Tree(
        begins,
        np.fromiter((node for nodes, _ in paths for node in nodes), np.int32, size),
        np.fromiter((direction for _, branches in paths for direction in branches), np.float32, size),
    )
