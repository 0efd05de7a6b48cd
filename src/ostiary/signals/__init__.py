"""What the proxies tell us after the fact: the decision log, from Envoy's wire into the store."""

from ostiary.signals.receiver import handler
from ostiary.signals.writer import LogCounts, Writer

__all__ = ["LogCounts", "Writer", "handler"]
