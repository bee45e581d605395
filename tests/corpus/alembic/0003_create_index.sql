-- expect: round-trip
-- setup: supabase.sql
-- Running upgrade 2792ed2d7978 -> 348a94c904eb

CREATE INDEX idx_contacts_phone_hash ON contacts USING hash (phone);

CREATE INDEX idx_contacts_org_opted_out ON contacts (org_id) WHERE opted_out = true;

CREATE UNIQUE INDEX idx_calls_org_id ON calls (org_id, id);
