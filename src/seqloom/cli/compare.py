"""`seqloom compare`."""


def compare() -> None:
    """Compare."""
