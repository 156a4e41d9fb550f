"""Arrays in the safetensors format, memory-mapped, so that only the parts in use are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.errors import PortableError

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1",
    "I8": "|i1", "BOOL": "|b1",
}  # fmt: skip


def map_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file by name."""
    try:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(size, path.stat().st_size)))
        data = np.memmap(path, np.uint8, "r")[8 + size :]
        return {
            name: data[slice(*entry["data_offsets"])].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise PortableError(f"{path} could not be read: {error!r}") from None
