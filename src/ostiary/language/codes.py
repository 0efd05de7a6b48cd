"""Every code of a fault in a document, and what it means: the headings of `errors.md`.

Codes are stable: people search for them and scripts compare them. A test holds this list, the
source and the golden pages together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, str]] = {
    "certificate.broken": "A certificate file holds no PEM certificate.",
    "certificate.expired": "A certificate is past its end. Browsers would refuse it.",
    "certificate.key-broken": "A private key file holds no unencrypted PEM key.",
    "certificate.key-mismatch": "A certificate and its private key do not belong together.",
    "certificate.not-yet-valid": "A certificate holds only from a later time on.",
    "certificate.unreadable": "A certificate file is not there, or may not be read.",
    "certificate.weak-key": "A private key is of a kind or size that is not served.",
    "document.address": "Where a service answers is neither `host:port` nor `unix:/path`.",
    "document.duplicate-name": "Two things of one kind have the same name, maybe in two files.",
    "document.duration": "A duration is not a number and a unit.",
    "document.host": "A host is neither an exact name nor `*.` and a name.",
    "document.missing-key": "Something that must be written is not.",
    "document.name": "A name cannot be part of identities and resource names.",
    "document.no-value": "A key was written and given nothing.",
    "document.origin": "A CORS origin is not written as browsers write it.",
    "document.path": "A path pattern is not in the normal form in which requests are compared.",
    "document.unknown-key": "A key does not exist in the language, or not at this place.",
    "document.wrong-type": "A value is of the wrong kind: a text for a number, a word for a list.",
    "document.wrong-value": "A value is of the right kind and yet not possible.",
    "file.missing": "A file that was named is not there.",
    "file.none": "Nothing that was named holds a document.",
    "file.unreadable": "A file may not be read, or is none.",
    "file.vanished": "A file that was named was there and is gone.",
    "plan.address": "An address to listen on or to trust is not an IP address or range.",
    "plan.destination": "A route needs exactly one of `to` and `respond`.",
    "plan.duplicate-route": "Two routes answer the same host, path and method.",
    "plan.host-outside": "No HTTPS listener of the gateway serves the host of a route.",
    "plan.hsts": "HSTS would lock browsers out while the certificate is our own.",
    "plan.limit-needs-login": "A limit per user stands on a route without sign-in.",
    "plan.loosened": "A lower level writes something looser than a level above it wrote.",
    "plan.needs-login": "A rule asks who somebody is where nobody can sign in.",
    "plan.no-gateway": "A route has no gateway, or does not say which.",
    "plan.no-https": "A gateway has no listener with TLS.",
    "plan.no-names": "Our authority does not know for which names to issue a certificate.",
    "plan.no-provider": "Sign-in is asked for and there is no identity provider.",
    "plan.plain": "A listener without TLS does something else than redirect.",
    "plan.port-twice": "Two listeners have the same port.",
    "plan.provider-type": "An identity provider does not say of which type it is.",
    "plan.public-rule": "A rule is for everybody and for somebody at once.",
    "plan.redirect": "A listener with TLS redirects.",
    "plan.reserved-host": "A route stands on the sign-in host.",
    "plan.reserved-path": "A route stands below `/.ostiary/`.",
    "plan.rule": "A rule is not exactly one of `allow` and `deny`.",
    "plan.sessions": "The lifetimes of sessions do not fit together.",
    "plan.sign-in-host": "A gateway has no sign-in host, or two.",
    "plan.timeout": "A connection is given no time.",
    "plan.unattached": "A block stands on a gateway or service that no route passes.",
    "plan.unknown-gateway": "There is no gateway of this name.",
    "plan.unknown-listener": "There is no HTTPS listener of this name.",
    "plan.unknown-provider": "There is no identity provider of this name.",
    "plan.unknown-service": "There is no service of this name.",
    "plan.unserved": "A first start found no gateway that is safe to serve.",
    "plan.word": "A word in a rule can never match.",
    "secret.unreadable": "A private key file is not there, or may not be read.",
    "yaml.alias": "An alias names nothing, or something it stands in.",
    "yaml.bomb": "Aliases multiply a document beyond measure.",
    "yaml.duplicate-key": "A mapping has the same key twice.",
    "yaml.empty": "A file holds no document.",
    "yaml.key": "A key is not a single word.",
    "yaml.not-utf8": "A file is not UTF-8.",
    "yaml.syntax": "A file is not YAML.",
    "yaml.tab": "A tab stands where YAML wants spaces.",
    "yaml.tag": "A YAML tag has no meaning in this language.",
    "yaml.too-deep": "A document is nested deeper than the language goes.",
    "yaml.too-large": "A file is larger than 5 MB.",
}

REDS: Final[Mapping[str, str]] = {
    "certificate": "A serving certificate could not be issued; the last one goes on.",
    "compile": "A fault of ours: the document is sound, and cannot be compiled. Report it.",
    "keys-waiting": "A new signing key waits for a proxy that has not heard of it yet.",
    "log-dropped": "Entries of the decision log were dropped; `explain` does not know them.",
    "log-failing": "The decision log cannot be written.",
    "proxy-away": "A proxy is not connected; it goes on as it is.",
    "xds.refused": "Envoy refused a resource; its route is denied, or the last good one goes on.",
}
"""What `ostiary status` shows in red beside the codes of refusals."""
