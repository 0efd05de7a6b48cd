"""Talk to the running control plane, found through `<state>/admin.json`.

Plain `http.client`: a command that asks one question should not wait for an HTTP library to load.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from ostiary.errors import Refused, Unreachable

_TIMEOUT: Final = 15.0
_FIRST_ERROR: Final = 400


class Connection:
    """The admin API of one control plane."""

    def __init__(self, url: str, token: str, ca: Path) -> None:
        self.url = url
        self._token = token
        self._context = ssl.create_default_context(cafile=str(ca))

    @classmethod
    def of(cls, state: Path) -> Connection:
        """The control plane that runs with the state directory `state`."""
        file = state / "admin.json"
        try:
            facts = json.loads(file.read_text())
            token = Path(facts["token_file"]).read_text().strip()
            return cls(facts["url"], token, Path(facts["ca"]))
        except FileNotFoundError:
            raise _waiting(state) or _not_running(state) from None
        except PermissionError as error:
            raise Refused(
                "admin-not-yours",
                f"{error.filename} can be read by its owner only",
                "run this command as the user who runs the control plane",
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unreachable(
                "admin-file-broken",
                f"{file} cannot be read: {error}",
                "restart the control plane; it writes the file anew",
            ) from error

    def get(self, *path: str, **query: str) -> Any:
        """The JSON at `/v1/<path>?<query>`; all parts are escaped."""
        return self._ask("GET", path, None, query)

    def post(self, *path: str, body: Any = None) -> Any:
        """The JSON that answers `body` at `/v1/<path>`."""
        return self._ask("POST", path, json.dumps(body))

    def delete(self, *path: str, **query: str) -> Any:
        """What is at `/v1/<path>` is gone; the JSON that says so."""
        return self._ask("DELETE", path, None, query)

    def _ask(
        self,
        method: str,
        path: tuple[str, ...],
        body: str | None,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        target = urlsplit(self.url)
        way = HTTPSConnection(
            target.hostname or "", target.port, timeout=_TIMEOUT, context=self._context
        )
        try:
            headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
            where = "/v1/" + "/".join(quote(part, safe="") for part in path)
            if query:
                where += "?" + urlencode(query)
            way.request(method, where, body, headers)
            answer = way.getresponse()
            status, text = answer.status, answer.read()
        except (OSError, HTTPException) as error:
            raise Unreachable(
                "control-plane-silent",
                f"the control plane at {self.url} does not answer: {error}",
                "start it again: ostiary up DOCUMENT...",
            ) from error
        finally:
            way.close()
        found = _read(text)
        if status < _FIRST_ERROR:
            return found
        fault = found.get("error", {}) if isinstance(found, dict) else {}
        raise Refused(
            fault.get("code", "http"),
            fault.get("message") or f"the control plane answered {status}",
            fault.get("hint", ""),
        )


def _read(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {}


def _waiting(state: Path) -> Refused | None:
    """The control plane runs, and has found no document yet that it can serve."""
    try:
        why = (state / "waiting.txt").read_text()
    except OSError:
        return None
    sentence = f"no document has been accepted yet, and nothing is served:\n{why}"
    return Refused("nothing-accepted", sentence)


def _not_running(state: Path) -> Unreachable:
    return Unreachable(
        "control-plane-not-running",
        f"no control plane runs with the state directory {state}",
        "start one (ostiary up DOCUMENT..., or ostiary demo), or name its folder with --state",
    )
