"""What the guard said about a request, in the decision log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """The four columns exist afterwards; of older decisions the guard said nothing."""
    for name in ("verdict", "effect", "reason"):
        op.add_column("decisions", sa.Column(name, sa.Text, nullable=False, server_default=""))
    op.add_column("decisions", sa.Column("risk", sa.Integer))
