"""The gate before the slow path: a stranger must not buy Python time.

A stranger is whoever shows neither a valid session token for this host nor an expired one of ours.
Turned away natively; `refusals` makes a redirect to sign-in or a 401 of it. Forged and garbage
tokens end here, for no provider of `sessions` accepted them.
"""

from __future__ import annotations

from typing import Final

from ostiary.features.fragment import Filter, Fragment, ListenerSite, Site, Stage
from ostiary.policy.to_rbac import (
    Credential,
    is_for_host,
    never,
    opens_to_all,
    policy,
    shadow_allowed,
    some,
)
from ostiary.protos.messages import rbac, rbac_filter
from ostiary.wire import MACHINE_KEY, SESSION_KEY, STALE_KEY

STRANGER: Final = "stranger"
"""The policy that turned the request away, as the decision log and `refusals` see it."""


def slots(listener: ListenerSite) -> tuple[Filter, ...]:  # noqa: ARG001  hosts are the routes' own
    """The filter, which turns nobody away without a route's word.

    `access` has the rules asked in it (Envoy asks before it enforces, so that the answer counts
    here already), and `cross_site` refuses in it.
    """
    return (Filter(Stage.GATE, Stage.GATE.slot, rbac_filter.RBAC()),)


def fragment(site: Site) -> Fragment:
    """Only who the rules let in, or who was here before, may go on.

    A DENY, so that the log names it; it is the negation of what we know, so that anything unknown
    is denied. Below a wildcard host any host's token counts as "was here": `access` compares it.
    """
    if site.sign_in is None or opens_to_all(site.levels):
        return Fragment()
    group_set = site.sign_in.group_set
    keys = [SESSION_KEY, STALE_KEY, *([MACHINE_KEY] if "credentials" in site.blocks else [])]
    known = [is_for_host(Credential(site.host, group_set, key)) for key in keys]
    stranger = policy(never(some([shadow_allowed(), *known])))
    rules = rbac.RBAC(action=rbac.RBAC.Action.DENY, policies={STRANGER: stranger})
    turned_away = rbac_filter.RBACPerRoute(rbac=rbac_filter.RBAC(rules=rules))
    return Fragment(per_route={Stage.GATE.slot: turned_away})
