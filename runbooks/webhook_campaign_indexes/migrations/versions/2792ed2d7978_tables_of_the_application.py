"""The tables of the application, as the next revision finds them.

The document names the parent revision and no more; tables and columns are ours, as in sandbox/schema.sql. It makes them
all, so that the next one can be tried on an empty database.

Revision ID: 2792ed2d7978
Revises:
Create Date: 2025-08-20 18:00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2792ed2d7978"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the nine tables."""
    op.create_table(
        "contact",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("first_name", sa.String(100), nullable=False),
        sa.Column("last_name", sa.String(100)),
        sa.Column("email", sa.String(255)),
        sa.Column("phone", sa.String(20)),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "conversation",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("contact_id", sa.Integer, sa.ForeignKey("contact.id"), nullable=False),
        sa.Column("phone_number_id", sa.String(50), nullable=False),
        sa.Column("last_activity_at", sa.DateTime),
        sa.UniqueConstraint("contact_id", "phone_number_id", name="uq_conversation_contact_line"),
    )
    op.create_table(
        "activity",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("openphone_id", sa.String(100)),
        sa.Column("conversation_id", sa.Integer, sa.ForeignKey("conversation.id")),
        sa.Column("contact_id", sa.Integer, sa.ForeignKey("contact.id")),
        sa.Column("user_id", sa.String(50)),
        sa.Column("activity_type", sa.String(20), nullable=False),
        sa.Column("direction", sa.String(10)),
        sa.Column("status", sa.String(20)),
        sa.Column("body", sa.Text),
        sa.Column("duration_seconds", sa.Integer),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "webhook_event",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("event_id", sa.String(100), nullable=False),
        sa.Column("event_type", sa.String(50), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("processed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("processed_at", sa.DateTime),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "campaign",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "campaign_membership",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("campaign_id", sa.Integer, sa.ForeignKey("campaign.id"), nullable=False),
        sa.Column("contact_id", sa.Integer, sa.ForeignKey("contact.id"), nullable=False),
        sa.Column("status", sa.String(20), nullable=False, server_default="pending"),
        sa.Column("sent_at", sa.DateTime),
        sa.UniqueConstraint("campaign_id", "contact_id", name="uq_campaign_membership_contact"),
    )
    op.create_table(
        "contact_flag",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("contact_id", sa.Integer, sa.ForeignKey("contact.id"), nullable=False),
        sa.Column("flag_type", sa.String(50), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "appointment",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("contact_id", sa.Integer, sa.ForeignKey("contact.id"), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("date", sa.Date, nullable=False),
        sa.Column("time", sa.Time, nullable=False),
    )
    op.create_table(
        "invoice",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("contact_id", sa.Integer, sa.ForeignKey("contact.id"), nullable=False),
        sa.Column("amount", sa.Numeric(10, 2), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("due_date", sa.Date, nullable=False),
    )


def downgrade() -> None:
    """Drop them again, and their rows."""
    for table in (
        "invoice", "appointment", "contact_flag", "campaign_membership", "campaign", "webhook_event", "activity",
        "conversation", "contact",
    ):  # fmt: skip
        op.drop_table(table)
