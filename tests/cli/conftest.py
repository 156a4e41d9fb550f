"""Training flushes denormal numbers in the whole process, which hypothesis takes for a broken processor."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _denormal_numbers() -> Iterator[None]:
    yield
    torch.set_flush_denormal(False)
