"""The answers of taggers, as `/v1/tag` gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_WORD = re.compile(r"\S+")


def tagged_words(text: str, tagged: Mapping[str, Any]) -> dict[str, Any]:
    """Words and spans with their places in the text."""
    places = [(word.start(), word.end()) for word in _WORD.finditer(text)]
    words = [
        {"text": text[start:end], "start": start, "end": end, "tag": name, "probability": probability}
        for (start, end), name, probability in zip(places, tagged["tags"], tagged["probabilities"], strict=True)
    ]
    if tagged.get("spans") is None:
        return {"words": words, "steps": [], "spans": None}
    ends = [(places[span["start"]][0], places[span["end"] - 1][1], span["type"]) for span in tagged["spans"]]
    spans = [{"text": text[start:end], "start": start, "end": end, "label": kind} for start, end, kind in ends]
    return {"words": words, "steps": [], "spans": spans}


def tagged_steps(tagged: Mapping[str, Any]) -> dict[str, Any]:
    """Steps, and spans with the places of their first step and of the one after their last."""
    pairs = zip(tagged["tags"], tagged["probabilities"], strict=True)
    steps = [{"tag": name, "probability": probability} for name, probability in pairs]
    marked = tagged.get("spans")
    spans = None if marked is None else [{"start": s["start"], "end": s["end"], "label": s["type"]} for s in marked]
    return {"words": [], "steps": steps, "spans": spans}
