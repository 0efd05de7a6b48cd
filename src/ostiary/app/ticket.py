"""What a proxy on another machine is started with: one string that holds all it must know.

Made by `admin.join_token`, read by `agent.run_standalone`. The secret in it is good once, for one
proxy, for ten minutes; the root certificate in it pins the control plane from the first byte on.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass

from ostiary.app.spec import ProxySpec
from ostiary.errors import Refused


@dataclass(frozen=True, slots=True)
class Ticket:
    """A join token, whom it is for and where to use it."""

    token: str
    spec: ProxySpec
    enrolment: tuple[str, int]
    control: tuple[str, int]

    def dump(self) -> str:
        """One line of letters, digits, `-` and `_`."""
        text = json.dumps(asdict(self), separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def load(text: str) -> Ticket:
    """The ticket whose `dump()` was `text`; `Refused` when it is none."""
    try:
        tree = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        spec = ProxySpec.of(tree["spec"])
        host, port = tree["enrolment"]
        control_host, control_port = tree["control"]
        return Ticket(tree["token"], spec, (host, int(port)), (control_host, int(control_port)))
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(
            "join-token-malformed",
            "this is no join token",
            "copy the whole line that `ostiary proxy-token ID` printed",
        ) from error
