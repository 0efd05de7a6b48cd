"""The meaning tests start Envoy with the rig of `tests/envoy`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "envoy"))
