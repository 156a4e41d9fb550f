"""Recurrent layers: the contract of a cell, the schedule of steps, the backends that run a cell along a sequence."""
