"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

STATE: Final = Path(".ostiary")
State = Annotated[
    Path,
    Parameter(
        name="--state",
        env_var="OSTIARY_STATE",
        help="The state directory: keys, database, logs. Made with mode 0700.",
    ),
]
AsJson = Annotated[
    bool,
    Parameter(name="--json", negative=(), show_default=False, help="Print JSON for a program."),
]
