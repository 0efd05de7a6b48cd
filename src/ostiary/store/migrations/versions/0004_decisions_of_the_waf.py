"""What the rules of `waf` found in a request, in the decision log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """The column exists afterwards; nothing was looked into before."""
    op.add_column("decisions", sa.Column("waf", sa.Text, nullable=False, server_default=""))
