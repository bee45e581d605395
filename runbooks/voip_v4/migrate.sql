-- Rollback Point v4.0: Database Optimization. The statements are the document's own, to the letter.
-- It says under "Notes" that the indexes are created with CONCURRENTLY. They are not: run as they stand
-- here, each holds up every write to its table for as long as it builds.

-- New Indexes Added (Migration 12)
CREATE INDEX IF NOT EXISTS calls_assigned_to_idx ON calls(assigned_to);
CREATE INDEX IF NOT EXISTS calls_from_number_org_idx ON calls(from_number, organization_id);
CREATE INDEX IF NOT EXISTS calls_to_number_org_idx ON calls(to_number, organization_id);
CREATE INDEX IF NOT EXISTS calls_direction_created_at_idx ON calls(direction, created_at DESC);
CREATE INDEX IF NOT EXISTS calls_answered_at_idx ON calls(answered_at) WHERE answered_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS calls_ended_at_idx ON calls(ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS contacts_phone_idx ON contacts(phone);
CREATE INDEX IF NOT EXISTS contacts_org_phone_idx ON contacts(organization_id, phone);
CREATE INDEX IF NOT EXISTS sms_conversations_contact_phone_idx ON sms_conversations(contact_phone_number);

-- Schema Changes (Migration 13)
ALTER TABLE voip_users ADD COLUMN IF NOT EXISTS full_name TEXT;
CREATE INDEX IF NOT EXISTS voip_users_full_name_idx ON voip_users(full_name);
