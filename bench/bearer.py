"""An access token of another issuer, remembered: 10 rules and the decision log, at most 1.20.

The claim is the fair row: a bare Envoy behind TLS that gets the same requests, token and all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack

from _claim import Row, main
from _ostiary import HOST, LOCAL, folder
from _ratio import Bench, against_both, length
from _rules import last, rules
from joserfc import jwt
from joserfc.jwk import RSAKey

RULES = 10
NAME = "bearer, cached"
ISSUER, AUDIENCE = "https://id.bench.example", "https://app.bench.example"


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """Three rows: plain bare Envoy, one behind TLS, one that gets the same requests."""
    key = RSAKey.generate_key(2048, {"kid": "k"})
    with ExitStack() as stack:
        file = stack.enter_context(folder()) / "keys.json"
        file.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
        issuer = f"{{issuer: '{ISSUER}', keys: {{file: '{file}'}}, audiences: '{AUDIENCE}'}}"
        identity = LOCAL.removesuffix("}") + f", issuers: {{corp: {issuer}}}}}"
        bench = Bench(stack, document, identity)
        path, groups = last(RULES)
        time.sleep(3)  # the control plane has read the keys, and the guard has them
        bench.add(NAME, path, [f"Bearer {token(key, groups)}"], header="Authorization")
        yield from against_both(bench.rounds(length(quick=quick)), {NAME: 1.20})


def document(port: int) -> str:
    """A route to the application on `port` that takes access tokens only."""
    return (
        f'services: {{app: {{at: ["127.0.0.1:{port}"]}}}}\n'
        f"routes:\n  app:\n    host: {HOST}\n    to: app\n    credentials: {{bearer: true}}\n"
        f"    access:\n{rules(RULES)}\n"
    )


def token(key: RSAKey, groups: list[str]) -> str:
    """An hour's token of a program in `groups`."""
    now = int(time.time())
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "robot", "iat": now, "exp": now + 3600}
    header = {"alg": "RS256", "kid": "k", "typ": "at+jwt"}
    return jwt.encode(header, {**said, "groups": groups}, key, algorithms=["RS256"])


if __name__ == "__main__":
    main(measure)
