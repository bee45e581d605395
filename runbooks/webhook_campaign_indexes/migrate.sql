-- Revision 348a94c904eb, "Add critical performance indexes for webhook and campaign processing", as Alembic writes it down:
--
--   alembic upgrade 2792ed2d7978:348a94c904eb --sql
--
-- in this folder, for PostgreSQL, without its BEGIN and COMMIT. The statements are Alembic's to the letter, their order and
-- headings the document's. Run as they stand here, each holds up every write to its table for as long as it builds, and in
-- Alembic's one transaction until the last one is done.

-- Critical Webhook Processing Indexes

CREATE INDEX idx_activity_openphone_id ON activity (openphone_id) WHERE openphone_id IS NOT NULL;

CREATE INDEX idx_webhook_event_processed ON webhook_event (processed, created_at);

CREATE INDEX idx_webhook_event_id ON webhook_event (event_id);

-- Campaign Processing Indexes

CREATE INDEX idx_campaign_membership_status ON campaign_membership (campaign_id, status);

CREATE INDEX idx_campaign_membership_sent ON campaign_membership (sent_at, status);

-- Contact Lookup Indexes

CREATE INDEX idx_contact_phone_hash ON contact USING hash (phone);

CREATE INDEX idx_contact_first_name ON contact (first_name);

CREATE INDEX idx_contact_last_name ON contact (last_name);

CREATE INDEX idx_contact_email ON contact (email);

-- Opt-Out Management

CREATE INDEX idx_contact_flag_type_phone ON contact_flag (contact_id) WHERE flag_type = 'opted_out';

-- Activity Tracking Indexes

CREATE INDEX idx_activity_conversation_created ON activity (conversation_id, created_at);

CREATE INDEX idx_activity_type_created ON activity (activity_type, created_at);

CREATE INDEX idx_activity_user ON activity (user_id, created_at);

CREATE INDEX idx_activity_contact ON activity (contact_id, created_at);

-- Conversation Indexes

CREATE INDEX idx_conversation_phone_number_id ON conversation (phone_number_id);

CREATE INDEX idx_conversation_contact ON conversation (contact_id);

-- Business Object Indexes

CREATE INDEX idx_appointment_date ON appointment (date, time);

CREATE INDEX idx_invoice_status_due ON invoice (status, due_date);

-- left out, Alembic's own bookkeeping; after the migration: alembic stamp 348a94c904eb:
-- UPDATE alembic_version SET version_num='348a94c904eb' WHERE alembic_version.version_num = '2792ed2d7978'

-- Not Alembic's: "Set up regular VACUUM ANALYZE for PostgreSQL to maintain index statistics". Once here, a table each, so that the
-- new indexes are planned with; regularly it is autovacuum's work. On SQLite it is ANALYZE.
VACUUM (ANALYZE) activity;

VACUUM (ANALYZE) webhook_event;

VACUUM (ANALYZE) campaign_membership;

VACUUM (ANALYZE) contact;

VACUUM (ANALYZE) contact_flag;

VACUUM (ANALYZE) conversation;

VACUUM (ANALYZE) appointment;

VACUUM (ANALYZE) invoice;
