-- expect: round-trip
-- setup: supabase.sql
CREATE INDEX IF NOT EXISTS idx_contacts_org_phone ON public.contacts(org_id, phone) WHERE opted_out = false;
CREATE INDEX IF NOT EXISTS idx_calls_org_started ON public.calls(org_id, started_at DESC);
CREATE INDEX IF NOT EXISTS idx_calls_contact ON public.calls(contact_id);
CREATE INDEX IF NOT EXISTS idx_contacts_email_hash ON public.contacts USING hash(email);
