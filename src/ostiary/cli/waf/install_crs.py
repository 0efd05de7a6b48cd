"""`ostiary waf install-crs`: a release of the OWASP Core Rule Set, for `rules: crs`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from ostiary.app import crs_fetch, crs_install
from ostiary.cli import terminal
from ostiary.cli.options import AsJson
from ostiary.cli.waf.options import content
from ostiary.errors import Refused

_SIGNATURE: Final = "the project's signature"
_SUM: Final = "the SHA-256 that was given"
_NONE: Final = "none; a signature or --sha256 would be one"

Sha256 = Annotated[
    str,
    Parameter(
        name="--sha256",
        show_default=False,
        help="The archive's SHA-256, instead of the project's signature.",
    ),
]
From = Annotated[
    Path | None,
    Parameter(
        name="--from",
        show_default=False,
        help="An archive or an unpacked release of this machine; nothing is fetched.",
    ),
]
To = Annotated[
    Path | None,
    Parameter(
        name="--to",
        show_default=False,
        help="Where versions lie, if not where documents look for `crs`.",
    ),
]


def install_crs(
    version: str | None = None,
    /,
    *,
    from_: From = None,
    sha256: Sha256 = "",
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Install a release of the OWASP Core Rule Set, which `rules: crs` then means.

    The release is fetched from the project and proven by its signature (gpg must be here), or by
    --sha256. Of a release that was fetched by hand the signature counts that lies beside it. The
    engine reads all rules before anything changes; a file crs-setup.conf that you changed is taken
    over from the version before. Documents that name `crs` read the new rules when they are next
    read: try them first with `ostiary waf replay`.

    Parameters
    ----------
    version
        Such as 4.28.0. With --from it need not be said.
    """
    if from_ is not None:
        files, proof = _local(from_, sha256)
    elif version is not None:
        files = crs_install.of_archive(crs_fetch.fetch(version, sha256))
        proof = _SUM if sha256 else _SIGNATURE
    else:
        raise Refused(
            "no-crs-version",
            "there is no version to install",
            "give one such as 4.28.0, or --from an archive or a folder",
        )
    stated = crs_install.version_of(files)
    if version is not None and stated != version:
        raise Refused(
            "crs-other-version",
            f"the rules say that they are {stated}, not {version}",
            "give the version that they are",
        )
    done = crs_install.install(files, stated, to or crs_install.usual_place())
    if as_json:
        told = {"version": done.version, "folder": str(done.folder), "rules": done.rules}
        told |= {"proof": proof, "kept_setup": done.kept_setup}
        terminal.say(json.dumps(told, indent=2))
        return
    terminal.say(f"CRS {done.version} is installed: {done.rules} rules", terminal.GOOD)
    terminal.field("in", str(done.folder))
    terminal.field("proof", proof)
    terminal.field("set-up", "yours, from the version before" if done.kept_setup else "")


def _local(path: Path, sha256: str) -> tuple[dict[str, bytes], str]:
    """The rule files, and what proves them."""
    if path.is_dir():
        if sha256:
            raise Refused(
                "crs-sum", "a folder has no SHA-256", "leave --sha256 out, or give an archive"
            )
        return crs_install.of_folder(path), _NONE
    archive = content(path)
    if sha256:
        crs_fetch.prove_sum(archive, sha256, str(path))
        proof = _SUM
    else:
        proof = _SIGNATURE if crs_fetch.prove_beside(archive, path) else _NONE
    return crs_install.of_archive(archive), proof
