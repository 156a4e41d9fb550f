"""An exported graph, run by ONNX Runtime, and the state that it carries from call to call."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


class Engine:
    """Runs the graph that the manifest entry `description` names. A tensor of the state has the same name as input and
    as output."""

    def __init__(self, folder: Path, description: Mapping[str, Any], threads: int = 1) -> None:
        import onnxruntime  # imported here, since models without graphs do not need it

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        path = str(folder / description["file"])
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.description = description
        self.state: dict[str, Mapping[str, Any]] = {part["name"]: part for part in description["state"]}
        self._state_of_output = {part["output"]: part["name"] for part in description["state"]}
        self.inputs = [entry["name"] for entry in description["inputs"]]
        self._outputs = [entry["name"] for entry in description["outputs"]]

    def first_state(self, batch: int) -> Arrays:
        """The state of `batch` rows before their first element; empty if another graph computes it."""
        if self.description["started_by"]:
            return {}
        return {name: np.repeat(_start(part), batch, 0) for name, part in self.state.items()}

    def __call__(self, **feeds: NDArray[Any]) -> tuple[Arrays, Arrays]:
        """The outputs by name, and the state."""
        values = self._session.run(self._outputs, {name: feeds[name] for name in self.inputs})
        outputs, state = {}, {}
        for name, value in zip(self._outputs, values, strict=True):
            if name in self._state_of_output:
                state[self._state_of_output[name]] = value
            else:
                outputs[name] = value
        return outputs, state


def _start(part: Mapping[str, Any]) -> NDArray[Any]:
    """(1, ...): the state of one row before its first element, from the bytes in the manifest."""
    start = part["start"]
    data = np.frombuffer(base64.b64decode(start["data"]), np.dtype(part["dtype"]).newbyteorder("<"))
    return data.reshape(start["shape"]).astype(part["dtype"])
