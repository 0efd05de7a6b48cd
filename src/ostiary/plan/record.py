"""One line of the decision log: what a proxy said about one request, after the fact.

Made by `signals` from Envoy's access log, kept by `store.decisions`, read by `explain`. What it
holds is an allow-list: no header, no cookie, no query, no token.
"""

from __future__ import annotations

from typing import Final, NamedTuple

DENIALS_LOG: Final = "ostiary-denials"
"""The Envoy logger of refusals and errors; never sampled."""
ALLOWS_LOG: Final = "ostiary-allows"
"""The Envoy logger of everything else."""


class DecisionRecord(NamedTuple):
    """One request at one proxy. A tuple, because a busy edge makes thousands a second.

    Times are seconds since 1970; an empty string means "the proxy said nothing about it".
    """

    id: str
    """The decision id (`x-request-id`); an edge and a mini gateway write one record each."""
    time: float
    proxy: str
    """The SPIFFE id of the proxy, from its certificate."""
    log: str
    route: str
    """`tenant/namespace/name`; empty when no route matched."""
    policy: str
    """Hash of the policy record the route was compiled from."""
    host: str
    """Lower case, no port."""
    method: str
    path: str
    """As the proxy matched it, without the query."""
    code: int
    """The response code; 0 when the client left before there was one."""
    details: str
    """Envoy's `response_code_details`."""
    flags: str
    """Envoy's response flags by name, joined by commas."""
    credential: str
    """`session`, `assertion` or `bearer` when one was verified, `expired` for an old token of
    ours."""
    subject: str
    email: str
    groups: tuple[str, ...]
    session_host: str
    """The host the token was minted for."""
    sid: str
    group_set: str
    """`gv` of the token: which group names it could carry."""
    shadow: str
    """What the route's own rules said before the slow path: `allowed`, `denied` or nothing."""
    peer: str
    """The SPIFFE id of the caller, at a mini gateway."""
    client: str
    """The address the request came from."""
    duration: float
    """Seconds from the first byte in to the last byte out."""
    upstream: str
    """The cluster it was sent to; empty when it was not sent on."""
    failure: str
    """Why the connection to the upstream failed, in Envoy's words."""
    offline: bool
    """The verified token had expired: it passed under `sessions.offline_grace`."""
    verdict: str = ""
    """The id of the verdict by which the guard refused the request, or ended it on its way."""
    effect: str = ""
    """`deny`, `step-up` or `limit`: what it did so; empty when it did nothing."""
    reason: str = ""
    """The verdict's reason code."""
    risk: int | None = None
    """The score of whoever asked, where a rule reads it or a verdict refused."""
    waf: str = ""
    """What the rules of `waf` found, JSON; empty where they found nothing."""
