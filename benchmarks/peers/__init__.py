"""What the benchmarks measure against: plain PyTorch scripts, and how they are run in turns."""
