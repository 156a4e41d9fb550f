"""The forward-backward and Viterbi algorithms of a linear-chain CRF, a row at a time. The forward variables are scaled
to sum to one at every step (Rabiner 1989, section V.A), in float64, so that a step needs only one logarithm."""

from __future__ import annotations

import math

import numpy as np

from seqloom.nn.kernels.numeric import Array, compiled


@compiled
def forward(
    emissions: Array, lengths: Array, first: Array, transitions: Array, last: Array, alphas: Array, weights: Array,
    scales: Array, log_z: Array,
) -> None:  # fmt: skip
    """`emissions` (batch, time, tags) are scores; `first`, `last` (tags) and `transitions` (tags, tags) exponentials of
    scores. Writes the log-partition of each row, and what `backward` needs."""
    tags = transitions.shape[0]
    for row in range(len(lengths)):
        total, length = 0.0, lengths[row]
        for step in range(length):
            scores, weight, alpha = emissions[row, step], weights[row, step], alphas[row, step]
            peak = scores[0]
            for j in range(tags):
                if scores[j] > peak:
                    peak = scores[j]
            for j in range(tags):
                weight[j] = math.exp(scores[j] - peak)
                alpha[j] = first[j] if step == 0 else 0.0
            if step:
                before = alphas[row, step - 1]
                for i in range(tags):
                    for j in range(tags):
                        alpha[j] += before[i] * transitions[i, j]
            scale = 0.0
            for j in range(tags):
                alpha[j] *= weight[j]
                scale += alpha[j]
            for j in range(tags):
                alpha[j] /= scale
            scales[row, step] = scale
            total += peak + math.log(scale)
        if length:
            end = 0.0
            for j in range(tags):
                end += alphas[row, length - 1, j] * last[j]
            scales[row, length] = end
            total += math.log(end)
        log_z[row] = total


@compiled
def backward(
    lengths: Array, transitions: Array, last: Array, alphas: Array, weights: Array, scales: Array, grad_log_z: Array,
    posteriors: Array, pairs: Array,
) -> None:  # fmt: skip
    """Writes `grad_log_z` (batch) times the probability of each tag at each step, and adds to `pairs` (tags, tags)
    that of each pair of successive tags, summed over all steps and rows."""
    tags = transitions.shape[0]
    beta, ahead = np.empty(tags), np.empty(tags)
    joint = np.zeros((tags, tags))
    for row in range(len(lengths)):
        length, grad_row = lengths[row], grad_log_z[row]
        for j in range(tags):
            beta[j] = last[j] / scales[row, length] if length else 0.0
        for step in range(length - 1, -1, -1):
            for j in range(tags):
                posteriors[row, step, j] = grad_row * alphas[row, step, j] * beta[j]
                ahead[j] = weights[row, step, j] * beta[j] / scales[row, step]
            if step:
                for i in range(tags):
                    before, total = grad_row * alphas[row, step - 1, i], 0.0
                    for j in range(tags):
                        total += transitions[i, j] * ahead[j]
                        joint[i, j] += before * ahead[j]
                    beta[i] = total
    for i in range(tags):
        for j in range(tags):
            pairs[i, j] += joint[i, j] * transitions[i, j]


@compiled
def best_paths(emissions: Array, lengths: Array, first: Array, transitions: Array, last: Array, paths: Array) -> None:
    """Writes the tags of each row's best path (Viterbi 1967); `first`, `transitions` and `last` are scores."""
    time, tags = emissions.shape[1:]
    backpointers = np.empty((time, tags), np.int64)
    best, now = np.empty(tags), np.empty(tags)
    for row in range(len(lengths)):
        length = lengths[row]
        if not length:
            continue
        for j in range(tags):
            best[j] = first[j] + emissions[row, 0, j]
        for step in range(1, length):
            for j in range(tags):
                previous_tag, score = 0, best[0] + transitions[0, j]
                for i in range(1, tags):
                    if best[i] + transitions[i, j] > score:
                        previous_tag, score = i, best[i] + transitions[i, j]
                backpointers[step, j] = previous_tag
                now[j] = score + emissions[row, step, j]
            for j in range(tags):
                best[j] = now[j]
        tag = 0
        for j in range(tags):
            if best[j] + last[j] > best[tag] + last[tag]:
                tag = j
        for step in range(length - 1, -1, -1):
            paths[row, step] = tag
            if step:
                tag = backpointers[step, tag]
