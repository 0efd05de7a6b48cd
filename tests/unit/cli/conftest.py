"""The command line talks to the same real API that the tests of `api` run."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "api"))
