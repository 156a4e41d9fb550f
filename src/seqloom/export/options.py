"""The options of an export besides its format."""

from __future__ import annotations

from dataclasses import dataclass, fields

from seqloom.errors import RequestError


@dataclass(frozen=True)
class ExportOptions:
    """`int8`: weights as 8-bit integers; an error if the score on held-out data becomes worse by a larger share than
    `max_loss`. `data`: where the lines are on which answers are compared; by default in the run's validation, test or
    training data. `license`, `data_license`, `language`: facts for the model card, which are never guessed.
    """

    int8: bool = False
    max_loss: float = 0.01
    data: str = ""
    license: str = ""
    data_license: str = ""
    language: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.max_loss < 1:
            raise RequestError(
                "the share of the score that may be lost is out of range",
                where="--max-loss",
                got=self.max_loss,
                expected="0 or more, less than 1",
            )

    def only(self, *names: str, format_name: str) -> None:
        """Raises RequestError if an option is set that the format does not have."""
        for field in fields(self):
            if field.name not in names and getattr(self, field.name) != field.default:
                raise RequestError(
                    f"the format {format_name} has no such option",
                    where=f"--{field.name.replace('_', '-')}",
                    expected=", ".join(f"--{name.replace('_', '-')}" for name in names) or "no options",
                )
