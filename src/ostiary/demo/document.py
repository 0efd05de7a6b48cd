"""The demo's document: what a newcomer reads first."""

from __future__ import annotations

import json
from pathlib import Path

TEMPLATE = """\
# Everything the demo protects. Change a line and save: it applies at once.
trust_domain: demo.ostiary
gateway:
  https: {{ address: 127.0.0.1, port: {https}, hosts: [notes.localhost] }}
  http: {{ address: 127.0.0.1, port: {http}, redirect: https }}
identity: {{ providers: {{ local: {{}} }} }}
sessions: {{ offline_grace: 1h }}
services:
  notes:
    at: [{socket}]
    mini_gateway: {{ address: 127.0.0.1, port: {mini} }}
    access: [{{ allow: {{ name: editors of notes, groups: [editors] }} }}]
routes:
  notes:
    host: notes.localhost
    to: notes
    login: true
    access: [{{ allow: {{ name: editors, groups: [editors], methods: [GET, POST] }} }}]
    limits: [{{ rate: 600/m, per: user }}]
"""
GUARDED = "    waf: { rules: core }\n"
"""What only the guard can do."""


def document(https: int, http: int, mini: int, socket: Path, *, guard: bool) -> str:
    """The demo's document for these ports and the application's unix socket."""
    place = json.dumps(f"unix:{socket}")
    text = TEMPLATE.format(https=https, http=http, mini=mini, socket=place)
    return text + GUARDED if guard else text
