"""How a page about a feature is read: a document in, one part of the compiled result out.

A page has a title, a sentence, the ```yaml of a document (```yaml with the guard: every proxy has
one) and one or more outputs, whose fence says what they show: `route notes`, `cluster svc/...`,
`scope https|notes.localhost`, `listener https`, `endpoints svc/...`, `slot ostiary.cors`,
`bootstrap`, `bootstrap guarded`. `of service notes` takes the view of that mini gateway, `at a.0.b`
goes down into the message (a step with dots stands in brackets).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from rules import rules_needed

from ostiary.certs import spiffe
from ostiary.compiler.bootstrap import GuardFiles, bootstrap
from ostiary.compiler.compile import compile as compile_plan
from ostiary.compiler.lint import message_of
from ostiary.compiler.resources import (
    CLUSTER,
    ENDPOINTS,
    FILTER,
    LISTENER,
    SCOPE,
    Snapshot,
    View,
)
from ostiary.compiler.world import Address, World
from ostiary.language.read import read
from ostiary.names import local
from ostiary.plan.model import Plan
from ostiary.plan.resolve import Resolver
from ostiary.protos.pool import pool
from ostiary.sources.yaml_tree import parse

sys.path.insert(0, str(Path(__file__).parents[1] / "envoy"))

WORLD: Final = World(
    Address("127.0.0.1", 9101),
    Address("127.0.0.1", 9102),
    '{"keys":[{"alg":"ES256","crv":"P-256","kid":"k1","kty":"EC","use":"sig",'
    '"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",'
    '"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}',
)
"""A fixed installation; the key is the example of RFC 7515, appendix A.3."""
_BLOCK: Final = re.compile(r"^```yaml(?: ([^\n]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WITH_GUARD: Final = "with the guard"
_DOCUMENTS: Final = {"", WITH_GUARD}
_STEP: Final = re.compile(r"\[([^]]+)\]|([^.\[\]]+)")
_KINDS: Final = {
    "scope": SCOPE,
    "cluster": CLUSTER,
    "endpoints": ENDPOINTS,
    "listener": LISTENER,
    "slot": FILTER,
}


@dataclass(frozen=True)
class Compiled:
    """What the document of a page comes to."""

    plan: Plan
    snapshot: Snapshot


def compile_page(page: str) -> Compiled:
    """The document is the first block, which selects nothing."""
    how, text = next(block for block in _BLOCK.findall(page) if block[0] in _DOCUMENTS)
    guard = how == WITH_GUARD
    book = rules_needed() if guard and "waf:" in text else None
    document = read(parse("document.yaml", text.encode()))
    plan = Resolver(guard=guard, book=book).resolve(document)
    return Compiled(plan, compile_plan(plan, replace(WORLD, guard=guard)))


def rendered(page: str, compiled: Compiled) -> str:
    """The page with every output as it comes out now."""

    def again(found: re.Match[str]) -> str:
        if (found[1] or "") in _DOCUMENTS:
            return found[0]
        return f"```yaml {found[1]}\n{_shown(found[1], compiled)}```"

    return _BLOCK.sub(again, page)


def _shown(selector: str, compiled: Compiled) -> str:
    selector, _, below = selector.partition(" at ")
    selector, _, service = selector.partition(" of service ")
    domain = compiled.plan.trust_domain
    proxy = spiffe.gateway_id(domain, local("main"))
    if service:
        proxy = spiffe.service_id(domain, local(service))
    kind, _, name = selector.partition(" ")
    message = _chosen(kind, name, compiled.snapshot.views[proxy], domain)
    text = MessageToJson(message, preserving_proto_field_name=True, descriptor_pool=pool())
    data: Any = json.loads(text)
    for bracketed, plain in _STEP.findall(below):
        data = data[bracketed or (int(plain) if plain.isdigit() else plain)]
    return yaml.safe_dump(data, sort_keys=True, allow_unicode=True, width=96)


def _chosen(kind: str, name: str, view: View, domain: str) -> Message:
    if kind == "bootstrap":
        files = GuardFiles("guard.sock", "verdicts.table") if name == "guarded" else None
        return bootstrap(view.proxy, domain, "control.sock", "admin.sock", files)
    if kind == "route":
        return next(one for one in _routes(view) if _is_called(one, name))
    return message_of(view.resources[_KINDS[kind]][name])


def _routes(view: View) -> Iterator[Message]:
    for scope in view.resources[SCOPE].values():
        message: Any = message_of(scope)
        for host in message.route_configuration.virtual_hosts:
            yield from host.routes


def _is_called(route: Any, name: str) -> bool:
    return bool(route.name.partition("@")[0].rpartition("/")[2] == name)
