"""The number of insertions, deletions and substitutions between two sequences."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def edit_distance(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """The Levenshtein distance: every edit costs 1.

    A column of the distance table is one integer, with a bit per row for the difference between neighbours (Myers 1999,
    in the form of Hyyrö 2003). An element then costs a dozen operations for any length of the other sequence, since
    Python's integers have any number of bits.
    """
    if not a or not b:
        return len(a) + len(b)
    places: dict[Hashable, int] = {}
    for row, element in enumerate(a):
        places[element] = places.get(element, 0) | 1 << row
    every, last = (1 << len(a)) - 1, 1 << len(a) - 1
    # Where the next row of a column is one more, and where it is one less; the first column is 0, 1, 2, ..
    more, less, distance = every, 0, len(a)
    for element in b:
        equal = places.get(element, 0)
        diagonal = (((equal & more) + more) ^ more) | equal
        # The same for neighbours in a row, from the previous column.
        up, down = less | (every & ~(diagonal | more)), more & diagonal
        if up & last:
            distance += 1
        elif down & last:
            distance -= 1
        up, down = up << 1 | 1, down << 1
        vertical = equal | less
        more, less = (down | ~(vertical | up)) & every, up & vertical & every
    return distance
