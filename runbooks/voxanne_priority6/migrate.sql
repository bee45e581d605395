-- "20260128_add_performance_indexes.sql": five composite indexes. The document gives their names, their tables, what each is
-- for, that one is partial and that all are built with CONCURRENTLY; it prints no SQL. The columns follow from the names,
-- the order of the last one from the query that it is for.

-- "Contact detail page (calls by phone)"
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_call_logs_org_phone_created
ON call_logs(org_id, phone_number, created_at DESC);

-- "Appointments by contact"
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_appointments_org_contact_scheduled
ON appointments(org_id, contact_id, scheduled_at DESC);

-- "Availability checks (partial index)": a slot is taken by what is pending or confirmed
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_appointments_org_status_scheduled
ON appointments(org_id, status, scheduled_at)
WHERE status IN ('pending', 'confirmed');

-- "Message duplicate prevention"
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_messages_org_contact_method
ON messages(org_id, contact_id, method);

-- "Services lookup (lead scoring)"
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_services_org_created
ON services(org_id, created_at DESC);
