"""How many insertions, deletions and substitutions lead from one sequence to another."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def edit_distance(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Levenshtein's distance, each edit at a cost of 1.

    A whole column of the table of distances is one integer of differences between neighbours, a bit a row (Myers 1999
    in the form of Hyyrö 2003), so that an element costs a dozen operations whatever the length of the other sequence:
    Python's integers have as many bits as are wanted.
    """
    if not a or not b:
        return len(a) + len(b)
    places: dict[Hashable, int] = {}
    for row, element in enumerate(a):
        places[element] = places.get(element, 0) | 1 << row
    every, last = (1 << len(a)) - 1, 1 << len(a) - 1
    # Where the next row of a column is one more, and where it is one less; the first column counts 0, 1, 2, ..
    more, less, distance = every, 0, len(a)
    for element in b:
        equal = places.get(element, 0)
        diagonal = (((equal & more) + more) ^ more) | equal
        # The same along the rows, from the column before.
        up, down = less | (every & ~(diagonal | more)), more & diagonal
        if up & last:
            distance += 1
        elif down & last:
            distance -= 1
        up, down = up << 1 | 1, down << 1
        vertical = equal | less
        more, less = (down | ~(vertical | up)) & every, up & vertical & every
    return distance
