"""The sign-in form: who somebody is, proved by a password, on the sign-in host and nowhere else.

Nothing is written before the proof. One wording and the same work for an unknown name, a wrong
password and a disabled account. Fed by `web`; feeds the browser with a session of the sign-in
host and a one-time code for the application.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from ostiary.errors import Refused
from ostiary.identity.attempts import counters
from ostiary.identity.cookies import set_cookie
from ostiary.identity.model import NAME_LIMIT, Account, Code, Session
from ostiary.identity.pending import PENDING_LIFETIME, SignInPending, open_pending, seal_pending
from ostiary.identity.returns import check_return, is_start
from ostiary.identity.rotation import digest, first_handle
from ostiary.login.minting import new_code, new_handle, new_id
from ostiary.login.pages import Page, page, words
from ostiary.login.passwords import LONGEST, Passwords
from ostiary.login.ports import Stores
from ostiary.login.visit import Visit, check_same_origin, read_form, redirect, respond
from ostiary.login.work import Work
from ostiary.wire import CALLBACK_PATH, LOGOUT_PATH, PENDING_COOKIE, SIGN_IN_PATH, SSO_COOKIE

_WRONG: Final = "This user name and password do not fit together."
_SLOW: Final = "Too many attempts. Wait {seconds} seconds and try again."
_ENDED: Final = "Your session was ended."
_NOTICES: Final = {
    "signed-out": "",
    "signed-in-again": "",
    "step-up": "You are asked to sign in afresh before you go on.",
    "access-withdrawn": "Access was withdrawn, so your session does not count any more.",
    "account-disabled": "Access was withdrawn, so your session does not count any more.",
    "ended-by-administrator": "An administrator ended your session.",
    "absolute-lifetime": "Your session has reached its longest time.",
    "idle-lifetime": "Your session ended because it was not used for a while.",
    "handle-reused": "Your session was ended because an old copy of it was used. If that was not "
    "you, change your password and tell whoever administers these applications.",
    "handle-of-another-host": "Your session was ended because a copy of it was used elsewhere. If "
    "that was not you, change your password and tell whoever administers these applications.",
}
_QUERY: Final = re.compile(r"start=([^&]*)&to=(.*)", re.DOTALL)


class SignIn:
    """The pages `/` and `/sign-in` of a sign-in host."""

    def __init__(self, stores: Stores, passwords: Passwords, work: Work) -> None:
        self._stores = stores
        self._passwords = passwords
        self._work = work

    async def home(self, visited: Visit) -> Response:
        """Who is signed in here, or the form."""
        return await self._work.run(lambda: self._show(visited, SignInPending(visited.now)))

    async def form(self, visited: Visit) -> Response:
        """The form; whoever is signed in already goes straight back with a code."""
        return await self._work.run(lambda: self._show(visited, _begun(visited)))

    async def submit(self, visited: Visit) -> Response:
        """A new session and the way back, or the form again."""
        check_same_origin(visited, needs_proof=False)
        fields = await read_form(visited.request)
        pending = self._pending(visited).get(fields.get("state", ""))
        if pending is None:
            return respond(_too_old())
        name, password = fields.get("username", ""), fields.get("password", "")
        counted = counters(name, visited.address)
        seconds = await self._work.run(lambda: self._stores.accounts.admit(counted, visited.now))
        if seconds > 0:
            return self._again(fields, pending, seconds)
        account = await self._work.run(lambda: self._find(name))
        proved = await self._prove(account, password)
        if account is None or account.disabled or not proved:
            return self._again(fields, pending, 0)
        found = account

        def finish() -> Response:
            self._stores.accounts.forgive(counted)
            return self._finish(visited, fields["state"], pending, found)

        return await self._work.run(finish)

    def _show(self, visited: Visit, pending: SignInPending) -> Response:
        cookie = visited.cookies.get(SSO_COOKIE, "")
        person = self._stores.sessions.recognise(
            cookie, visited.host, visited.sign_in.lifetimes, visited.now
        )
        if person is None:
            state = new_id()
            kept = {**self._pending(visited), state: pending}
            sealed = seal_pending(kept, self._stores.seal, visited.host)
            cookie = set_cookie(PENDING_COOKIE, sealed, int(PENDING_LIFETIME))
            return respond(_form(state, pending, notice=self._notice(visited)), cookie)
        if not pending.to:
            return respond(page("signed-in", account=person[1].name, sign_out=LOGOUT_PATH))
        return redirect(self._way_back(visited, pending, person[0].sid))

    def _notice(self, visited: Visit) -> str:
        """What became of the session that this browser had, unless it left by itself."""
        why = self._stores.sessions.why_not(
            visited.cookies.get(SSO_COOKIE, ""),
            visited.host,
            visited.sign_in.lifetimes,
            visited.now,
        )
        return "" if why is None else _NOTICES.get(why, _ENDED)

    def _finish(
        self, visited: Visit, state: str, pending: SignInPending, account: Account
    ) -> Response:
        lifetimes = visited.sign_in.lifetimes
        session = Session(
            sid=new_id(),
            account=account.name,
            provider="local",
            assurance="password",
            created=visited.now,
            last_used=visited.now,
        )
        plain = new_handle()
        handle = first_handle(plain, session.sid, visited.host, visited.now)
        before = self._stores.sessions.owner(visited.cookies.get(SSO_COOKIE, ""))
        self._stores.sessions.open(session, handle, before, visited.address)
        rest = {key: one for key, one in self._pending(visited).items() if key != state}
        sealed = seal_pending(rest, self._stores.seal, visited.host)
        cookies = (
            set_cookie(SSO_COOKIE, str(plain), lifetimes.absolute),
            set_cookie(PENDING_COOKIE, sealed, int(PENDING_LIFETIME) if rest else 0),
        )
        there = self._way_back(visited, pending, session.sid) if pending.to else "/"
        return redirect(there, *cookies)

    def _way_back(self, visited: Visit, pending: SignInPending, sid: str) -> str:
        """The application's callback with a fresh code; the address is checked once more."""
        host, to = check_return(pending.to, visited.directory, visited.host)
        code = new_code()
        self._stores.sessions.put_code(
            Code(
                digest=digest(code.encode()),
                sid=sid,
                host=host,
                start=pending.start,
                to=to,
                begun=pending.begun,
                created=visited.now,
            )
        )
        return f"{_origin(to)}{CALLBACK_PATH}?code={code}&start={pending.start}"

    def _again(self, fields: Mapping[str, str], pending: SignInPending, seconds: float) -> Response:
        error, status = (_WRONG, 401)
        if seconds > 0:
            error, status = _SLOW.format(seconds=math.ceil(seconds)), 429
        name = fields.get("username", "")[:NAME_LIMIT]
        response = respond(
            _form(fields["state"], pending, error=error, status=status, username=name)
        )
        if seconds > 0:
            response.headers["retry-after"] = str(math.ceil(seconds))
        return response

    async def _prove(self, account: Account | None, password: str) -> bool:
        fit = len(password.encode(errors="surrogatepass")) <= LONGEST
        stored = account.password_hash if account is not None else None
        return await self._passwords.verify(stored, password if fit else "") and fit

    def _find(self, name: str) -> Account | None:
        possible = 0 < len(name) <= NAME_LIMIT and name.isprintable()
        return self._stores.accounts.find(name) if possible else None

    def _pending(self, visited: Visit) -> Mapping[str, SignInPending]:
        cookie = visited.cookies.get(PENDING_COOKIE)
        return open_pending(cookie, self._stores.seal, visited.host, visited.now)


def _begun(visited: Visit) -> SignInPending:
    """What the query asks for: where to go on, and which tab there is waiting."""
    query = visited.request.url.query
    if not query:
        return SignInPending(visited.now)
    match = _QUERY.fullmatch(query)
    if match is None or not is_start(match[1]):
        raise Refused(
            "sign-in-link-invalid",
            "this sign-in link is not complete",
            "open the application's own address and sign in from there",
        )
    host, to = check_return(match[2], visited.directory, visited.host)
    return SignInPending(visited.now, match[1], host, to)


def _form(
    state: str,
    pending: SignInPending,
    *,
    error: str = "",
    notice: str = "",
    status: int = 200,
    username: str = "",
) -> Page:
    return page(
        "sign-in",
        status,
        form_origins=(_origin(pending.to),) if pending.to else (),
        state=state,
        host=pending.host,
        error=error,
        notice=notice,
        username=username,
    )


def _too_old() -> Page:
    return words(
        400,
        "This page is too old",
        "Open the application again, or start here; this also needs cookies to be allowed.",
        ("Start again", SIGN_IN_PATH),
    )


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])
