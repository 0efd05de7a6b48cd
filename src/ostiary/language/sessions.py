"""`sessions`: how long things live."""

from __future__ import annotations

from ostiary.language.written import Duration, Written


class Sessions(Written):
    """Lifetimes of what a sign-in gives."""

    token: Duration = "60s"  # noqa: S105  a time
    """A session token: how long a decision can be old, renewed silently."""
    idle: Duration = "8h"
    """A session that is not used this long is over."""
    absolute: Duration = "12h"
    """A session is over this long after sign-in, whatever happens."""
    offline_grace: Duration = "0s"
    """While `login` is away, tokens of ours that expired less than this ago still pass."""
