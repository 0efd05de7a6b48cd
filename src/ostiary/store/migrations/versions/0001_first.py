"""The first schema: everything that survives a restart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Every table exists afterwards."""
    _people()
    _sessions()
    _authority()
    _site()
    _revisions()
    _decisions()


def _people() -> None:
    """Accounts and failed sign-ins."""
    op.create_table(
        "accounts",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("email", sa.String, nullable=False),
        sa.Column("groups", sa.String, nullable=False),
        sa.Column("password_hash", sa.String, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
    )
    op.create_table(
        "attempts",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last", sa.Float, nullable=False),
    )


def _sessions() -> None:
    """Sessions, their refresh handles, and the codes that carry them to another host."""
    op.create_table(
        "sessions",
        sa.Column("sid", sa.String, primary_key=True),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("provider", sa.String, nullable=False),
        sa.Column("assurance", sa.String, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("last_used", sa.Float, nullable=False),
        sa.Column("dead", sa.String),
    )
    op.create_index("ix_sessions_account", "sessions", ["account"])
    op.create_table(
        "handles",
        sa.Column("family", sa.String, primary_key=True),
        sa.Column("sid", sa.String, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("current", sa.String, nullable=False),
        sa.Column("used", sa.Float, nullable=False),
        sa.Column("previous", sa.String),
        sa.Column("replaced", sa.Float),
        sa.Column("successor", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_handles_sid", "handles", ["sid"])
    op.create_table(
        "codes",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("sid", sa.String, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("start", sa.String, nullable=False),
        sa.Column("to", sa.String, nullable=False),
        sa.Column("begun", sa.Float, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("used", sa.Float),
    )
    op.create_index("codes_of_session", "codes", ["sid", "host"])


def _authority() -> None:
    """Roots, join tokens and what was issued."""
    op.create_table(
        "authority_issued",
        sa.Column("serial", sa.String, primary_key=True),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("not_after", sa.Float, nullable=False),
    )
    op.create_index("ix_authority_issued_subject", "authority_issued", ["subject"])
    op.create_table(
        "authority_join_token",
        sa.Column("hash", sa.String, primary_key=True),
        sa.Column("spiffe_id", sa.String, nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
        sa.Column("used", sa.Float),
    )
    op.create_table(
        "authority_root",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("certificate", sa.LargeBinary, nullable=False),
        sa.Column("sealed_key", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "authority_serving",
        sa.Column("hosts", sa.String, primary_key=True),
        sa.Column("chain", sa.LargeBinary, nullable=False),
        sa.Column("sealed_key", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "authority_snapshot",
        sa.Column("proxy", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
    )


def _site() -> None:
    """What sign-in must know, and its keys."""
    op.create_table(
        "site",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("text", sa.String, nullable=False),
    )
    op.create_table(
        "places",
        sa.Column("pattern", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("text", sa.String),
    )
    op.create_index("ix_places_version", "places", ["version"])
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("since", sa.Float, nullable=False),
    )


def _revisions() -> None:
    """Accepted documents, their policies, and what proxies made of them."""
    op.create_table(
        "revisions",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("hash", sa.String, nullable=False),
        sa.Column("sources", sa.Text, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "revision_acceptances",
        sa.Column(
            "number",
            sa.Integer,
            sa.ForeignKey("revisions.number", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("proxy", sa.String, primary_key=True),
        sa.Column("time", sa.Float, nullable=False),
    )
    op.create_table(
        "revision_refusals",
        sa.Column(
            "number",
            sa.Integer,
            sa.ForeignKey("revisions.number", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("proxy", sa.String, primary_key=True),
        sa.Column("resource", sa.String, primary_key=True),
        sa.Column("place", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
    )
    op.create_table(
        "policies",
        sa.Column("hash", sa.String, primary_key=True),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
    )


def _decisions() -> None:
    """The decision log."""
    op.create_table(
        "decision_counts",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.Column("since", sa.Float, nullable=False),
    )
    op.create_table(
        "decisions",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("proxy", sa.Text, nullable=False),
        sa.Column("log", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("code", sa.Integer, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("flags", sa.Text, nullable=False),
        sa.Column("credential", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("session_host", sa.Text, nullable=False),
        sa.Column("sid", sa.Text, nullable=False),
        sa.Column("group_set", sa.Text, nullable=False),
        sa.Column("shadow", sa.Text, nullable=False),
        sa.Column("peer", sa.Text, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("duration", sa.Float, nullable=False),
        sa.Column("upstream", sa.Text, nullable=False),
        sa.Column("failure", sa.Text, nullable=False),
        sa.Column("offline", sa.Boolean, nullable=False),
    )
    op.create_index("ix_decisions_id", "decisions", ["id"])
