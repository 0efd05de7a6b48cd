"""Engines of others, asked in a process of their own: libmodsecurity and libinjection.

They come as Python wheels (`packages/`). This file is the tests' side and, run as a program with
the name of an oracle, the process: one JSON line in, one out. Bytes travel as Latin-1.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from messages import Message
    from rule_sets import Rules

PACKAGES: Final = {"libmodsecurity": "libmodsecurity", "libinjection": "libinjection-python"}
Tree = dict[str, Any]


class Oracle:
    """A running oracle."""

    def __init__(self, name: str, set_up: Mapping[str, object]) -> None:
        from corpora import python_package  # noqa: PLC0415  the process has no tests beside it

        command = [sys.executable, __file__, name, str(python_package(PACKAGES[name]))]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.ask(set_up)

    def ask(self, question: Mapping[str, object]) -> Tree:
        """Its answer."""
        wire, answers = self._process.stdin, self._process.stdout
        assert wire is not None
        assert answers is not None
        wire.write(json.dumps(question).encode() + b"\n")
        wire.flush()
        line = answers.readline()
        assert line, f"the oracle ended with {self._process.wait(10)}"
        answer: Tree = json.loads(line)
        assert "fault" not in answer, answer
        return answer

    def close(self) -> None:
        """It has ended."""
        for one in (self._process.stdin, self._process.stdout):
            if one is not None:
                one.close()
        self._process.wait(10)


class ModSecurity(Oracle):
    """libmodsecurity with a rule set. Rules that need a data base of places are left out."""

    def __init__(self, rules: Rules, *, block: bool) -> None:
        sources = [pair for pair in rules.sources if "IP-REPUTATION" not in pair[0]]
        mode = f"SecRuleEngine {'On' if block else 'DetectionOnly'}\n"
        told = {"sources": [*sources, ("mode.conf", mode)], "data": dict(rules.data)}
        super().__init__("libmodsecurity", told)

    def inspect(self, message: Message) -> Tree:
        """`status` with which it stops a request (0: not at all), `rules` and their log `data`."""
        parts = (message.method, message.target, message.protocol, message.body)
        pairs = [[part.decode("latin-1") for part in pair] for pair in message.headers]
        told: Tree = dict(zip(_PARTS, (part.decode("latin-1") for part in parts), strict=True))
        return self.ask(told | {"headers": pairs})


_PARTS: Final = ("method", "target", "protocol", "body")


def _modsecurity(set_up: Tree) -> Callable[[Tree], Tree]:
    import libmodsecurity  # noqa: PLC0415  only this process has it

    folder = Path(tempfile.mkdtemp())
    for name, text in set_up["data"].items():
        (folder / name).write_text(text)
    for name, text in set_up["sources"]:
        # Its parser wants an empty line after a chain whose last rule has no actions.
        (folder / name).write_text(text.replace("\nSec", "\n\nSec"))
    names = (f"Include {folder / name}\n" for name, _ in set_up["sources"])
    (folder / "all").write_text("".join(names))
    rules, engine = libmodsecurity.RulesSet(), libmodsecurity.ModSecurity()
    engine.set_log_callback(lambda _: None)
    if rules.load_from_uri(str(folder / "all")) < 0:
        raise ValueError(rules.get_parser_error())

    def answer(told: Tree) -> Tree:
        one = libmodsecurity.Transaction(engine, rules)
        one.process_connection("127.0.0.1", 1, "127.0.0.1", 80)
        one.process_uri(told["target"], told["method"], told["protocol"].rpartition("/")[2])
        for name, value in told["headers"]:
            one.add_request_header(name, value)
        one.process_request_headers()
        stop = one.intervention()
        if stop is None:
            one.append_request_body(told["body"].encode("latin-1"))
            one.process_request_body()
            stop = one.intervention()
        found = one.get_rule_messages()
        status = stop.status if stop else 0
        data = [message.data for message in found]
        return {"status": status, "rules": [message.rule_id for message in found], "data": data}

    return answer


def _libinjection(_: Tree) -> Callable[[Tree], Tree]:
    import libinjection  # noqa: PLC0415  only this process has it

    def answer(told: Tree) -> Tree:
        sqli = libinjection.is_sql_injection(told["value"])
        xss = libinjection.is_xss(told["value"])
        return {"sqli": bool(sqli["is_sqli"]), "xss": bool(xss["is_xss"])}

    return answer


def _serve(name: str) -> None:
    make = {"libmodsecurity": _modsecurity, "libinjection": _libinjection}[name]
    try:
        answer = make(json.loads(sys.stdin.readline()))
        said: Tree = {}
    except ValueError as error:
        said = {"fault": str(error)}
    print(json.dumps(said), flush=True)  # noqa: T201  it answers on its output
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[2])
    _serve(sys.argv[1])
