"""Errors that a user of an exported model can cause."""

from __future__ import annotations


class PortableError(Exception):
    """A folder that cannot be read, or a request that the model cannot answer."""
