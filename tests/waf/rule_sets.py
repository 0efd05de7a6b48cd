"""The rule sets that the corpora run against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from corpora import CRS3, CRS4, module_files, snapshot_files

BASE: Final = """\
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html text/xml application/json
SecResponseBodyLimitAction ProcessPartial
SecRule REQUEST_HEADERS:Content-Type "@rx (?i)^(?:application|text)/(?:[a-z0-9.-]+\\+)?xml" \
  "id:100,phase:1,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "@rx (?i)^application/(?:[a-z0-9.-]+\\+)?json" \
  "id:101,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
"""
"""What CRS wants to stand before it."""
SIZES: Final = """\
SecAction "id:110,phase:1,pass,nolog,setvar:tx.arg_name_length=100,setvar:tx.arg_length=400,\
setvar:tx.total_arg_length=6400,setvar:tx.max_num_args=255,setvar:tx.max_file_size=64100,\
setvar:tx.combined_file_sizes=65535,setvar:tx.crs_validate_utf8_encoding=1"
"""
"""The limits that CRS's own tests count on."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Sources in their order, and the files that they name."""

    sources: tuple[tuple[str, str], ...] = ()
    data: Mapping[str, str] = field(default_factory=dict)
    core: bool = False


def core() -> Rules:
    """Our own pack."""
    return Rules(core=True)


def crs4(*more: str, core: bool = False) -> Rules:
    """CRS 4.25.0 as it comes, with `more` text after its set-up."""
    files = module_files(CRS4)
    setup = files["rules/@crs-setup.conf.example"]
    below = "rules/@owasp_crs/"
    rules = {name[len(below) :]: text for name, text in files.items() if name.startswith(below)}
    return _crs(setup, rules, more, core=core)


def crs3(*more: str) -> Rules:
    """CRS 3.3.4 as it comes, with `more` text after its set-up."""
    files = snapshot_files(CRS3)
    below = "rules/"
    rules = {name[len(below) :]: text for name, text in files.items() if name.startswith(below)}
    return _crs(files["crs-setup.conf.example"], rules, more, core=False)


def _crs(setup: bytes, files: Mapping[str, bytes], more: tuple[str, ...], *, core: bool) -> Rules:
    added = tuple((f"more-{number}.conf", text) for number, text in enumerate(more))
    rules = tuple((name, files[name].decode()) for name in sorted(files) if name.endswith(".conf"))
    data = {name: text.decode() for name, text in files.items() if name.endswith(".data")}
    first = (("base.conf", BASE), ("crs-setup.conf", setup.decode()))
    return Rules((*first, *added, *rules), data, core)
