"""`python -m seqloom`."""

import os

from seqloom.cli.main import main
from seqloom.comparison.training_process import STOPS_WITH_PARENT, stop_with_parent

if __name__ == "__main__":
    if os.environ.pop(STOPS_WITH_PARENT, ""):
        stop_with_parent()
    main()
