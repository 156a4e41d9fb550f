"""The fused recurrences: forward and hand-written backward through time, with element-wise parts compiled by numba."""
