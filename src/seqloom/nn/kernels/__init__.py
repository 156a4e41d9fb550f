"""The fused recurrences: forward and hand-written backward through time, element-wise parts compiled by numba."""
