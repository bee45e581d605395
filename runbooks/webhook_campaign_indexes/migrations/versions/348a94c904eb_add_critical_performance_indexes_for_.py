"""Add critical performance indexes for webhook and campaign processing

PostgreSQL gets a hash index and two partial ones; SQLite plain and composite ones in their place, as the document says.

Revision ID: 348a94c904eb
Revises: 2792ed2d7978
Create Date: 2025-08-21 12:00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "348a94c904eb"
down_revision = "2792ed2d7978"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the eighteen indexes, in the document's order."""
    postgresql = op.get_context().dialect.name == "postgresql"

    # Critical Webhook Processing Indexes
    if postgresql:
        op.create_index(
            "idx_activity_openphone_id",
            "activity",
            ["openphone_id"],
            postgresql_where=sa.text("openphone_id IS NOT NULL"),
        )
    else:
        op.create_index("idx_activity_openphone_id", "activity", ["openphone_id"])
    op.create_index("idx_webhook_event_processed", "webhook_event", ["processed", "created_at"])
    op.create_index("idx_webhook_event_id", "webhook_event", ["event_id"])

    # Campaign Processing Indexes
    op.create_index("idx_campaign_membership_status", "campaign_membership", ["campaign_id", "status"])
    op.create_index("idx_campaign_membership_sent", "campaign_membership", ["sent_at", "status"])

    # Contact Lookup Indexes
    if postgresql:
        op.create_index("idx_contact_phone_hash", "contact", ["phone"], postgresql_using="hash")
    else:
        op.create_index("idx_contact_phone_hash", "contact", ["phone"])
    op.create_index("idx_contact_first_name", "contact", ["first_name"])
    op.create_index("idx_contact_last_name", "contact", ["last_name"])
    op.create_index("idx_contact_email", "contact", ["email"])

    # Opt-Out Management
    if postgresql:
        op.create_index(
            "idx_contact_flag_type_phone",
            "contact_flag",
            ["contact_id"],
            postgresql_where=sa.text("flag_type = 'opted_out'"),
        )
    else:
        op.create_index("idx_contact_flag_type_phone", "contact_flag", ["flag_type", "contact_id"])

    # Activity Tracking Indexes
    op.create_index("idx_activity_conversation_created", "activity", ["conversation_id", "created_at"])
    op.create_index("idx_activity_type_created", "activity", ["activity_type", "created_at"])
    op.create_index("idx_activity_user", "activity", ["user_id", "created_at"])
    op.create_index("idx_activity_contact", "activity", ["contact_id", "created_at"])

    # Conversation Indexes
    op.create_index("idx_conversation_phone_number_id", "conversation", ["phone_number_id"])
    op.create_index("idx_conversation_contact", "conversation", ["contact_id"])

    # Business Object Indexes
    op.create_index("idx_appointment_date", "appointment", ["date", "time"])
    op.create_index("idx_invoice_status_due", "invoice", ["status", "due_date"])


def downgrade() -> None:
    """Drop them again, the last one first."""
    op.drop_index("idx_invoice_status_due", "invoice")
    op.drop_index("idx_appointment_date", "appointment")
    op.drop_index("idx_conversation_contact", "conversation")
    op.drop_index("idx_conversation_phone_number_id", "conversation")
    op.drop_index("idx_activity_contact", "activity")
    op.drop_index("idx_activity_user", "activity")
    op.drop_index("idx_activity_type_created", "activity")
    op.drop_index("idx_activity_conversation_created", "activity")
    op.drop_index("idx_contact_flag_type_phone", "contact_flag")
    op.drop_index("idx_contact_email", "contact")
    op.drop_index("idx_contact_last_name", "contact")
    op.drop_index("idx_contact_first_name", "contact")
    op.drop_index("idx_contact_phone_hash", "contact")
    op.drop_index("idx_campaign_membership_sent", "campaign_membership")
    op.drop_index("idx_campaign_membership_status", "campaign_membership")
    op.drop_index("idx_webhook_event_id", "webhook_event")
    op.drop_index("idx_webhook_event_processed", "webhook_event")
    op.drop_index("idx_activity_openphone_id", "activity")
