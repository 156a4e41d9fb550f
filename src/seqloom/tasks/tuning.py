"""The ranges in which `compare --tune` searches settings, around the presets of each model."""

from __future__ import annotations

from typing import NamedTuple

from seqloom.config import Settings, flatten, leaves


class Range(NamedTuple):
    """From `low` to `high`; `log`: evenly in the logarithm. Values are rounded to multiples of `step`, or to two digits
    if it is 0. `preset` is the value without tuning."""

    low: float
    high: float
    log: bool
    step: float
    preset: float

    def rounded(self, value: float) -> float | int:
        """The value of the setting; whole where the step is."""
        if not self.step:
            return float(f"{value:.2g}")
        multiple = max(round(value / self.step), 1 if self.log else 0) * self.step
        return int(multiple) if self.step >= 1 else round(multiple, 6)


def tuning_ranges(settings: Settings, with_sizes: bool) -> dict[str, Range]:
    """Learning rates from a quarter to four times the preset; rates of dropout that are not 0 from 0 to 0.6; with
    `with_sizes`, sizes of layers from half to twice the preset. By their dotted names."""
    values, ranges = flatten(settings), {}
    for name, group in leaves(type(settings)).items():
        value, last = values[name], name.rsplit(".", 1)[-1]
        if last == "learning_rate":
            ranges[name] = Range(value / 4, value * 4, True, 0, value)
        elif last == "dropout" and value:
            ranges[name] = Range(0.0, max(0.6, value), False, 0.05, value)
        elif with_sizes and last in group.size_settings and value:
            heads = values.get(f"{name.rsplit('.', 1)[0]}.num_heads", 4)
            ranges[name] = Range(max(value / 2, 1), value * 2, True, 2 * heads if last == "model_dim" else 8, value)
    return ranges
