"""A conditional random field as `Scan`s in float64: the best path, and the probability of each tag."""

from __future__ import annotations

from torch import Tensor

from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.rows import Rows, arange, repeated
from seqloom.nn.crf.chain import Chain


def _double(graph: Graph, scores: Tensor) -> Value:
    return graph.constant(scores.detach().cpu().double().numpy(), "float64")


class ChainScan:
    """Scans along the emissions (batch, time, tags) of sentences of at least one word."""

    def __init__(self, graph: Graph, emissions: Value, rows: Rows) -> None:
        self.graph, self.rows = graph, rows
        by_step = graph.op("Transpose", graph.cast(emissions, "float64"), perm=[1, 0, 2])
        real = graph.unsqueeze(graph.op("Transpose", rows.real, perm=[1, 0]), 2)
        is_first = graph.op("Equal", arange(graph, rows.time), graph.constant(0, "int64"))
        self.sequences = [(by_step, "float64"), (real, "bool"), (is_first, "bool")]

    def _rows(self, scores: Tensor) -> Value:
        """(batch, tags): the scores, repeated for each row."""
        return repeated(self.graph, _double(self.graph, scores[None]), self.rows.batch, 1)

    def best_path(self, chain: Chain) -> Value:
        """(batch, time) int64: the tags of the path with the highest score (Viterbi 1967)."""
        graph, tags = self.graph, len(chain.first)

        def forward(inside: Graph, state: list[Value], elements: list[Value]) -> tuple[list[Value], list[Value]]:
            (best,), (emission, real, is_first) = state, elements
            ways = inside.op("Add", inside.unsqueeze(best, 2), _double(inside, chain.transitions))
            came_from = inside.op("ArgMax", ways, axis=1, keepdims=0)
            score = inside.op("ReduceMax", ways, inside.ints(1), keepdims=0)
            begun = inside.op("Where", is_first, _double(inside, chain.first), score)
            after = inside.op("Where", real, inside.op("Add", begun, emission), best)
            stay = inside.constant([list(range(tags))], "int64")
            return [after], [inside.op("Where", real, came_from, stay)]

        def backward(inside: Graph, state: list[Value], elements: list[Value]) -> tuple[list[Value], list[Value]]:
            tag = inside.unsqueeze(state[0], 1)
            before = inside.op("GatherElements", elements[0], tag, axis=1)
            return [inside.squeeze(before, 1)], [inside.op("Identity", state[0])]

        (best,), (came_from,) = graph.scan(forward, [(self._rows(chain.first), "float64")], self.sequences, ["int64"])
        last = graph.op("ArgMax", graph.op("Add", best, _double(graph, chain.last)), axis=1, keepdims=0)
        _, (path,) = graph.scan(backward, [(last, "int64")], [(came_from, "int64")], ["int64"], backward=True)
        return graph.op("Transpose", path, perm=[1, 0])

    def probabilities(self, chain: Chain) -> Value:
        """(batch, time, tags): p(tag at t | sentence), by sums over all paths from both ends (Rabiner 1989)."""
        graph = self.graph

        def forward(inside: Graph, state: list[Value], elements: list[Value]) -> tuple[list[Value], list[Value]]:
            (alpha,), (emission, real, is_first) = state, elements
            ways = inside.op("Add", inside.unsqueeze(alpha, 2), _double(inside, chain.transitions))
            score = inside.op("ReduceLogSumExp", ways, inside.ints(1), keepdims=0)
            begun = inside.op("Where", is_first, _double(inside, chain.first), score)
            after = inside.op("Where", real, inside.op("Add", begun, emission), alpha)
            return [after], [inside.op("Identity", after)]

        def backward(inside: Graph, state: list[Value], elements: list[Value]) -> tuple[list[Value], list[Value]]:
            (beta,), (emission, real, _) = state, elements
            reached = inside.unsqueeze(inside.op("Add", beta, emission), 1)
            ways = inside.op("Add", reached, _double(inside, chain.transitions))
            before = inside.op("ReduceLogSumExp", ways, inside.ints(2), keepdims=0)
            return [inside.op("Where", real, before, beta)], [inside.op("Identity", beta)]

        (alpha,), (alphas,) = graph.scan(forward, [(self._rows(chain.first), "float64")], self.sequences, ["float64"])
        _, (betas,) = graph.scan(
            backward, [(self._rows(chain.last), "float64")], self.sequences, ["float64"], backward=True
        )
        log_z = graph.op(
            "ReduceLogSumExp", graph.op("Add", alpha, _double(graph, chain.last)), graph.ints(1), keepdims=1
        )
        log_probs = graph.op("Sub", graph.op("Add", alphas, betas), log_z)
        return graph.op("Transpose", graph.cast(graph.op("Exp", log_probs), "float32"), perm=[1, 0, 2])
