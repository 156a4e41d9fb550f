"""The memory of a Neural Turing Machine: addressing (Graves et al. 2014, section 3), and a record of head weights."""
