"""How browsers, apps and tools speak: their headers, cookies and addresses."""

from __future__ import annotations

import base64
import json
from random import Random
from typing import Final
from urllib.parse import quote, quote_plus, urlencode

from benign_texts import RARE, RARELY, SEARCHES

Pairs = tuple[tuple[str, str], ...]
_HTML: Final = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
)
_CHROME: Final = (
    "Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{} Safari/537.36"
)
_SAFARI: Final = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)
_SAMSUNG: Final = (
    "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) "
    "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36"
)
BROWSERS: Final[tuple[Pairs, ...]] = (
    (
        ("sec-ch-ua", '"Chromium";v="126", "Not/A)Brand";v="8", "Google Chrome";v="126"'),
        ("sec-ch-ua-mobile", "?0"),
        ("sec-ch-ua-platform", '"Linux"'),
        ("Upgrade-Insecure-Requests", "1"),
        ("User-Agent", _CHROME.format("126.0.0.0")),
        ("Accept", _HTML + ",application/signed-exchange;v=b3;q=0.7"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-User", "?1"),
        ("Sec-Fetch-Dest", "document"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7"),
        ("Priority", "u=0, i"),
    ),
    (
        (
            "User-Agent",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
        ),
        ("Accept", _HTML),
        ("Accept-Language", "fr,fr-FR;q=0.8,en-US;q=0.5,en;q=0.3"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("DNT", "1"),
        ("Sec-GPC", "1"),
        ("Sec-Fetch-Dest", "document"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Site", "none"),
        ("TE", "trailers"),
    ),
    (
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("Accept-Language", "ja-JP,ja;q=0.9"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("User-Agent", _SAFARI),
    ),
    (
        ("User-Agent", _SAMSUNG),
        ("Accept", _HTML),
        ("Accept-Language", "ko-KR,ko;q=0.9,en-US;q=0.8"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Save-Data", "on"),
    ),
)
TOOLS: Final[tuple[Pairs, ...]] = (
    (("User-Agent", "okhttp/4.12.0"), ("Accept-Encoding", "gzip"), ("Accept", "application/json")),
    (("User-Agent", "curl/8.5.0"), ("Accept", "*/*")),
    (
        ("User-Agent", "python-requests/2.32.3"),
        ("Accept-Encoding", "gzip, deflate"),
        ("Accept", "*/*"),
    ),
    (("User-Agent", "Go-http-client/1.1"), ("Accept-Encoding", "gzip"), ("Accept", "*/*")),
    (
        ("User-Agent", "axios/1.7.2"),
        ("Accept", "application/json, text/plain, */*"),
        ("Accept-Encoding", "gzip, compress, deflate, br"),
    ),
    (
        ("User-Agent", "MyApp/3.2 (build 451; iOS 17.5.1) Alamofire/5.9.1"),
        ("Accept", "application/vnd.example.v2+json"),
        ("Accept-Language", "en;q=1.0, de-DE;q=0.9"),
    ),
    (("User-Agent", "PostmanRuntime/7.39.0"), ("Accept", "*/*"), ("Cache-Control", "no-cache")),
)


def token(random: Random, size: int = 24) -> str:
    """Base64url as session ids and cursors have it."""
    return base64.urlsafe_b64encode(random.randbytes(size)).decode().rstrip("=")


def identifier(random: Random) -> str:
    """A UUID."""
    text = random.randbytes(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def jwt(random: Random) -> str:
    """A signed token in shape."""
    head = base64.urlsafe_b64encode(b'{"alg":"ES256","typ":"JWT","kid":"k1"}').decode()
    body = {"sub": identifier(random), "iat": 1717243200, "exp": 1717246800, "aud": "app"}
    middle = base64.urlsafe_b64encode(json.dumps(body).encode()).decode()
    return ".".join((head.rstrip("="), middle.rstrip("="), token(random, 64)))


def cookies(random: Random) -> str:
    """What a site and its analytics leave in a browser."""
    stamp = random.randint(1_600_000_000, 1_800_000_000)
    consent = json.dumps({"necessary": True, "ads": False, "v": 3, "ts": stamp})
    every = [
        f"session={token(random)}",
        f"_ga=GA1.1.{random.randint(10**8, 10**9)}.{stamp}",
        f"_ga_{token(random, 7)}=GS1.1.{stamp}.4.1.{stamp + 90}.0.0.0",
        f"consent={quote(consent)}",
        "theme=dark",
        "lang=de-DE",
        f"cart={quote(json.dumps([{'id': random.randint(1, 999), 'n': 2}]))}",
        f"csrftoken={token(random, 32)}",
        "tz=Europe%2FBerlin",
        f"_fbp=fb.1.{stamp}123.{random.randint(10**8, 10**9)}",
        f"ab=checkout:b|search:a|{random.randint(1, 9)}",
        f"lastVisited={quote_plus('/shop/shoes?size=42&sort=price-asc')}",
    ]
    return "; ".join(random.sample(every, random.randint(2, 7)))


def _campaign(random: Random) -> str:
    fields = {"utm_source": "news", "utm_medium": "e-mail", "utm_campaign": "May sale: 20% off"}
    return urlencode({**fields, "gclid": token(random, 40)})


def _authorize(random: Random, back: str) -> str:
    fields = {"response_type": "code", "client_id": "web", "scope": "openid profile email"}
    secret = {"state": token(random), "code_challenge": token(random, 32)}
    return urlencode({**fields, "redirect_uri": back, **secret})


def address(random: Random) -> str:
    """A path with a query as sites have them."""
    word = random.choice(RARE if random.random() < RARELY else SEARCHES)
    number = random.randint(1, 99_999)
    back = "https://app.example/account?tab=billing&ok=1"
    every = [
        "/",
        f"/search?{urlencode({'q': word, 'page': number % 7 + 1})}",
        f"/search?q={quote(word)}&sort=price_asc&filter%5Bcolor%5D=red&filter%5Bcolor%5D=blue",
        f"/shop/{number}-{quote(word.split()[0].lower())}.html?variant={number}&ref=home_teaser",
        f"/blog/2024/05/{quote(word.replace(' ', '-'))}/?{_campaign(random)}",
        f"/login?next={quote_plus(back)}",
        f"/map?bbox={random.uniform(-90, 90):.5f},7.1,51.2,8.0&zoom=12&layers=roads,rail",
        "/calendar?from=2024-05-01T00:00:00%2B02:00&to=2024-06-01&view=month",
        f"/api/items?fields=id,name,price&sort=-created_at&limit=50&cursor={token(random)}",
        f"/items/{identifier(random)}?expand=owner.address,lines&include_deleted=false",
        f"/unsubscribe?u={token(random, 30)}&e={quote_plus('first.last+news@example.org')}",
        f"/compare?a={number}&b={number + 1}&a_vs_b=1",
        f"/download/report-{number}.pdf?inline=1&name={quote('Größe & Preis.pdf')}",
        f"/wiki/{quote(word)}?action=edit&section=2",
        f"/table?columns%5B0%5D%5Bdata%5D=name&order%5B0%5D%5Bdir%5D=asc&length=25&_={number}",
        f"/authorize?{_authorize(random, back)}",
        f"/img?src={quote_plus('/uploads/2024/photo 1.jpg')}&w=640&h=480&fit=crop&q=80",
    ]
    odd = "/odata/Orders?$filter=Total%20gt%20100%20and%20Status%20eq%20'open'&$top=20"
    return odd if random.random() < RARELY / 10 else random.choice(every)
