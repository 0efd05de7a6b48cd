"""Accounts that exist before any process runs: the demo's.

Fed by `demo`; feeds the store. The connection is closed again, so that a fork inherits none.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing

from ostiary.app.admin import new_account
from ostiary.app.installation import Installation
from ostiary.errors import Refused
from ostiary.store.accounts import Accounts


def add_accounts(
    installation: Installation, passwords: Mapping[str, str], groups: Mapping[str, tuple[str, ...]]
) -> None:
    """Every account exists with this password and these groups, and is not disabled."""
    with closing(installation.database()) as database:
        database.create()
        accounts = Accounts(database)
        for name, password in passwords.items():
            account = new_account(name, f"{name}@demo.example", groups[name], password)
            try:
                accounts.add(account)
            except Refused:  # from an earlier run: its password is new all the same
                accounts.set_password(name, account.password_hash)
                accounts.set_groups(name, account.groups)
                accounts.enable(name, time.time())
