"""The words that several processes must spell alike: cookies, headers, claims, metadata.

The compiler writes them into Envoy, `login` and the mini gateways read them back. Nothing else
may spell them again.
"""

from __future__ import annotations

from typing import Final

# --- headers: the whole prefix is ours; a client's own are stripped before anything reads them ---
RESERVED_PREFIX: Final = "x-ostiary-"
SCOPE_HEADER: Final = "x-ostiary-scope"
"""`listener|host`, set by early header mutation, read by scoped routes, removed before upstream."""
UNSOUND_HEADER: Final = "x-ostiary-unsound"
"""Set by the guard on a request that gets no route for it: `path` or `host` is unsound."""
SENT_HEADER: Final = "x-ostiary-sent"
"""`name:value`, once for each header that Envoy takes away before rules see it; by the guard, where
rules look into requests, and removed before upstream."""
HANDOVER_HEADER: Final = "x-ostiary-handover"
"""A token of audience `HANDOVER_AUDIENCE` that `login` hands to the second jwt filter, 30 s."""
CREDENTIAL_HEADER: Final = "x-ostiary-credential"
"""`bearer <token>`: what the guard verified and tells `login`; it goes no further."""
ASSERTION_HEADER: Final = "x-ostiary-assertion"
"""The signed identity assertion for the application and its mini gateway, 5 minutes."""
OFFLINE_HEADER: Final = "x-ostiary-offline"
"""Present when the edge let a request pass under `sessions.offline_grace`, whatever its value."""
DECISION_HEADER: Final = "x-ostiary-decision"
"""On every answer: the id under which `ostiary explain` finds the decision."""
AUTHZ_FAILED_HEADER: Final = "x-envoy-auth-failure-mode-allowed"
"""Set by Envoy itself when `login` did not answer; stripped from clients."""

# --- cookies: host-only, Secure, HttpOnly, SameSite=Lax ---
COOKIE_PREFIX: Final = "__Host-ostiary-"
SESSION_COOKIE: Final = "__Host-ostiary-session"
"""On an application host: the ES256 session token."""
REFRESH_COOKIE: Final = "__Host-ostiary-refresh"
"""On an application host: the 256-bit refresh handle."""
START_COOKIE_PREFIX: Final = "__Host-ostiary-start-"
"""On an application host: `<prefix><start>=1`, set by the native redirect; one a tab."""
SSO_COOKIE: Final = "__Host-ostiary-sso"
"""On the sign-in host: the handle of the person's session there."""
PENDING_COOKIE: Final = "__Host-ostiary-pending"
"""On the sign-in host: sealed pending sign-ins, several tabs at once."""

# --- paths of ours on an application host, answered by `login` ---
OWN_PATHS: Final = "/.ostiary/"
CALLBACK_PATH: Final = "/.ostiary/callback"
LOGOUT_PATH: Final = "/.ostiary/logout"
KEYS_PATH: Final = "/.ostiary/keys"
"""The JWK set by which an application verifies `x-ostiary-assertion`."""
TRUST_KEYS_PATH: Final = "/.ostiary/trust-keys"
"""The one for `x-ostiary-trust`. Apart, so that no proxy's key counts for an assertion."""

# --- paths of the sign-in host ---
SIGN_IN_PATH: Final = "/sign-in"
"""`GET /sign-in?start=<start>&to=<absolute URL, raw, last>`; `POST` carries username, password."""

# --- tokens ---
SESSION_AUDIENCE: Final = "ostiary:session"
HANDOVER_AUDIENCE: Final = "ostiary:handover"
SESSION_TYPE: Final = "ostiary-session+jwt"
HANDOVER_TYPE: Final = "ostiary-handover+jwt"
MACHINE_AUDIENCE: Final = "ostiary:machine"
MACHINE_TYPE: Final = "ostiary-machine+jwt"
"""What `login` hands over about a credential; the guard remembers it for at most 5 minutes."""
ASSERTION_TYPE: Final = "ostiary-assertion+jwt"
ASSERTION_CLAIM: Final = "assertion"
"""The claim of a session token that holds the identity assertion, carried on by Envoy natively."""

# --- texts that the control plane puts into the store for `login` ---
ISSUERS_TEXT: Final = "issuers"
"""Who signs access tokens, as `identity.issuers` writes it."""

# --- dynamic metadata ---
JWT_METADATA: Final = "envoy.filters.http.jwt_authn"
SESSION_KEY: Final = "session"
"""Claims of a valid session (or handed-over, or graced) token: what every rule reads."""
STALE_KEY: Final = "stale"
"""Claims of a token of ours, expired within the absolute limit: proves "not a stranger"."""
MACHINE_KEY: Final = "machine"
"""Of a credential that the guard verified: kind, user and issuer, for the slow path."""
ASSERTION_KEY: Final = "assertion"
"""At a mini gateway: claims of the user assertion."""
RBAC_METADATA: Final = "envoy.filters.http.rbac"
SHADOW_RESULT: Final = "shadow_engine_result"
WHO_METADATA: Final = "ostiary.who"
CREDENTIAL_KEY: Final = "credential"
"""Below `WHO_METADATA`: who asked, as one line of JSON that the guard makes once for each token."""
USER_KEY: Final = "user"
"""Likewise: the user's name, where a limit counts by it."""
TRUST_METADATA: Final = "ostiary.trust"
"""What the guard knows of whoever asks: written where it refuses or cuts, and where a rule reads
the risk."""
VERDICT_KEY: Final = "verdict"
EFFECT_KEY: Final = "effect"
"""`deny`, `step-up` or `limit`, where the guard did so for a verdict; else `NO_VERDICT`."""
NO_VERDICT: Final = "refuse"
"""The effect of a refusal, or an end, that no verdict spoke: the reason says what did."""
REASON_KEY: Final = "reason"
SINCE_KEY: Final = "since"
CONNECTION_KEY: Final = "connection"
"""Of a connection that the guard closed: the id of its entry in the log."""
RISK_KEY: Final = "risk"
"""The highest score, a number from 0 to 100; 0 where nothing scores."""

WAF_METADATA: Final = "ostiary.waf"
"""What rules found in a request: for the log of `waf`, the decision log and the refusal page."""
WAF_LOG_KEY: Final = "log"
"""The file that the route's log of `waf` goes to."""
WAF_BRIEF_KEY: Final = "brief"
"""The short part of it, where something was found."""
WAF_LABEL_KEY: Final = "label"
"""The message of the rule that mattered most, in letters that are safe in a page."""
WAF_WHERE_KEY: Final = "where"
"""The part of the request that it matched, the same way."""

# --- the guard: the module of Envoy that holds the verdicts ---
GUARD_WHEEL: Final = "ostiary-guard"
"""What to install where a document needs it."""

# --- what the edge tells `login` about the route (ext_authz context extensions) ---
CONTEXT_ROUTE: Final = "route"
CONTEXT_POLICY: Final = "policy"
