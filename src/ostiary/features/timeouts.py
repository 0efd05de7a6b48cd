"""`timeouts`: how long a request may take. Streams pass unless a limit is written."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ostiary.features.fragment import Block, Merge


class Timeouts(Block):
    """Durations such as `30s`, `5m`, `1h`, `250ms`; `0s` is no limit."""

    feature: ClassVar[str] = "timeouts"
    request: Annotated[str, Field(pattern=r"^\d+(ms|s|m|h)$"), Merge.MIN] = "0s"
    """The whole answer; 0 so that server-sent events and WebSockets pass."""
    idle: Annotated[str, Field(pattern=r"^\d+(ms|s|m|h)$"), Merge.MIN] = "5m"
    """No byte in either direction."""
