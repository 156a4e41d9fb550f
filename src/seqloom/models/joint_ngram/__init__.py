"""Joint n-gram models of pairs: source and target in one sequence of units."""
