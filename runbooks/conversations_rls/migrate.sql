-- Optimize conversations and messages: row level security, composite indexes, org_id, JSONB validation.
--
-- The document (2025-11-07) names its file, 20251107230000_optimize_conversations_performance.sql, and counts what is
-- in it, but does not print it. What follows is written after that count: 2 functions, 8 policies, 8 concurrent
-- indexes, 2 constraints, 1 view, 2 backfills, 5 DO blocks that verify. The form is an author's who follows
-- Supabase's advice: plain statements, one after the other.

-- ============================================================================
-- STEP 1: SECURITY DEFINER FUNCTIONS
-- ============================================================================
-- A policy that calls auth.uid() bare has it evaluated for every row. A function that is selected from in an
-- uncorrelated subquery runs once per query. SECURITY DEFINER: the lookup of the memberships is not itself subject
-- to what the user may read. The search_path is fixed, so nobody can put another table in its way.

CREATE OR REPLACE FUNCTION public.get_user_org_ids()
RETURNS SETOF uuid
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = ''
AS $$
  SELECT om.org_id
  FROM public.organization_members om
  WHERE om.user_id = auth.uid();
$$;

COMMENT ON FUNCTION public.get_user_org_ids() IS
  'Organizations of the current user. In policies: org_id IN (SELECT get_user_org_ids()), so that it runs once per query.';

-- For rows that are written, where there is one answer to give per row.
CREATE OR REPLACE FUNCTION public.user_has_org_access(check_org_id uuid)
RETURNS boolean
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = ''
AS $$
  SELECT EXISTS (
    SELECT 1
    FROM public.organization_members om
    WHERE om.org_id = check_org_id
      AND om.user_id = auth.uid()
  );
$$;

COMMENT ON FUNCTION public.user_has_org_access(uuid) IS
  'Whether the current user is a member of the organization. In WITH CHECK of INSERT and UPDATE policies.';

-- Everybody may execute a new function until told otherwise.
REVOKE EXECUTE ON FUNCTION public.get_user_org_ids() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION public.user_has_org_access(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.get_user_org_ids() TO authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.user_has_org_access(uuid) TO authenticated, service_role;

-- ============================================================================
-- STEP 2: COMPLETE THE org_id MIGRATION (Backfill -> Verify -> NOT NULL)
-- ============================================================================

UPDATE conversations c
SET org_id = d.org_id
FROM domains d
WHERE d.id = c.domain_id
  AND c.org_id IS NULL;

UPDATE messages m
SET org_id = c.org_id
FROM conversations c
WHERE c.id = m.conversation_id
  AND m.org_id IS NULL;

-- Verification 1: every conversation belongs to an organization
DO $$
DECLARE
  missing bigint;
BEGIN
  SELECT count(*) INTO missing FROM conversations WHERE org_id IS NULL;
  IF missing > 0 THEN
    RAISE EXCEPTION '% conversations have no org_id: their domain has none', missing;
  END IF;
END $$;

-- Verification 2: every message does, and to that of its conversation
DO $$
DECLARE
  missing bigint;
  astray bigint;
BEGIN
  SELECT count(*) INTO missing FROM messages WHERE org_id IS NULL;
  IF missing > 0 THEN
    RAISE EXCEPTION '% messages have no org_id: their conversation has none', missing;
  END IF;
  SELECT count(*) INTO astray
  FROM messages m
  JOIN conversations c ON c.id = m.conversation_id
  WHERE m.org_id <> c.org_id;
  IF astray > 0 THEN
    RAISE EXCEPTION '% messages have another org_id than their conversation', astray;
  END IF;
END $$;

ALTER TABLE conversations ALTER COLUMN org_id SET NOT NULL;
ALTER TABLE messages ALTER COLUMN org_id SET NOT NULL;

-- ============================================================================
-- STEP 3: JSONB VALIDATION
-- ============================================================================

-- Verification 3: what is there has to pass before the constraints say so
DO $$
DECLARE
  bad_conversations bigint;
  bad_messages bigint;
BEGIN
  SELECT count(*) INTO bad_conversations FROM conversations WHERE jsonb_typeof(metadata) <> 'object';
  SELECT count(*) INTO bad_messages FROM messages WHERE jsonb_typeof(metadata) <> 'object';
  IF bad_conversations > 0 THEN
    RAISE WARNING '% conversations have metadata that is no JSON object', bad_conversations;
  END IF;
  IF bad_messages > 0 THEN
    RAISE WARNING '% messages have metadata that is no JSON object', bad_messages;
  END IF;
  IF bad_conversations + bad_messages > 0 THEN
    RAISE EXCEPTION 'mend the metadata first: the constraints would fail';
  END IF;
END $$;

ALTER TABLE conversations ADD CONSTRAINT conversations_metadata_valid CHECK (
  metadata IS NULL
  OR (
    jsonb_typeof(metadata) = 'object'
    AND (metadata -> 'language' IS NULL OR jsonb_typeof(metadata -> 'language') = 'string')
  )
);

ALTER TABLE messages ADD CONSTRAINT messages_metadata_valid CHECK (
  metadata IS NULL
  OR (
    jsonb_typeof(metadata) = 'object'
    AND (metadata -> 'tokens' IS NULL OR jsonb_typeof(metadata -> 'tokens') = 'number')
  )
);

-- ============================================================================
-- STEP 4: ROW LEVEL SECURITY, four policies per table
-- ============================================================================
-- The SELECT policies are replaced; INSERT, UPDATE and DELETE had none, which denied them to everybody but the
-- service role. A written row also has to fit what it points to: a domain, or a conversation, of the same organization.

DROP POLICY IF EXISTS "Users can view conversations of their organizations" ON conversations;
DROP POLICY IF EXISTS "Users can view messages of their organizations" ON messages;

CREATE POLICY conversations_select_policy ON conversations
  FOR SELECT TO authenticated
  USING (org_id IN (SELECT public.get_user_org_ids()));

CREATE POLICY conversations_insert_policy ON conversations
  FOR INSERT TO authenticated
  WITH CHECK (
    public.user_has_org_access(org_id)
    AND EXISTS (SELECT 1 FROM domains d WHERE d.id = conversations.domain_id AND d.org_id = conversations.org_id)
  );

CREATE POLICY conversations_update_policy ON conversations
  FOR UPDATE TO authenticated
  USING (org_id IN (SELECT public.get_user_org_ids()))
  WITH CHECK (
    public.user_has_org_access(org_id)
    AND EXISTS (SELECT 1 FROM domains d WHERE d.id = conversations.domain_id AND d.org_id = conversations.org_id)
  );

CREATE POLICY conversations_delete_policy ON conversations
  FOR DELETE TO authenticated
  USING (org_id IN (SELECT public.get_user_org_ids()));

CREATE POLICY messages_select_policy ON messages
  FOR SELECT TO authenticated
  USING (org_id IN (SELECT public.get_user_org_ids()));

CREATE POLICY messages_insert_policy ON messages
  FOR INSERT TO authenticated
  WITH CHECK (
    public.user_has_org_access(org_id)
    AND EXISTS (SELECT 1 FROM conversations c WHERE c.id = messages.conversation_id AND c.org_id = messages.org_id)
  );

CREATE POLICY messages_update_policy ON messages
  FOR UPDATE TO authenticated
  USING (org_id IN (SELECT public.get_user_org_ids()))
  WITH CHECK (
    public.user_has_org_access(org_id)
    AND EXISTS (SELECT 1 FROM conversations c WHERE c.id = messages.conversation_id AND c.org_id = messages.org_id)
  );

CREATE POLICY messages_delete_policy ON messages
  FOR DELETE TO authenticated
  USING (org_id IN (SELECT public.get_user_org_ids()));

-- Verification 4: four policies per table, one per command, and row level security is on
DO $$
DECLARE
  checked text;
  commands bigint;
BEGIN
  FOREACH checked IN ARRAY ARRAY['conversations', 'messages'] LOOP
    SELECT count(DISTINCT p.cmd) INTO commands
    FROM pg_policies p
    WHERE p.schemaname = 'public' AND p.tablename = checked AND p.cmd <> 'ALL';
    IF commands <> 4 THEN
      RAISE EXCEPTION 'policies on % cover % commands of 4', checked, commands;
    END IF;
    IF NOT (SELECT c.relrowsecurity FROM pg_class c WHERE c.oid = ('public.' || checked)::regclass) THEN
      RAISE WARNING 'row level security is off for %', checked;
    END IF;
  END LOOP;
END $$;

-- ============================================================================
-- STEP 5: COMPOSITE INDEXES (CONCURRENTLY: no table locks)
-- ============================================================================

-- Analytics: a domain or an organization over time
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_conversations_domain_started
  ON conversations (domain_id, started_at DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_conversations_org_started
  ON conversations (org_id, started_at DESC);

-- Status filtering
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_conversations_domain_status_started
  ON conversations (domain_id, status, started_at DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_conversations_org_status_started
  ON conversations (org_id, status, started_at DESC);

-- Message fetch: a conversation in its order
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_messages_conversation_created
  ON messages (conversation_id, created_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_messages_conversation_role
  ON messages (conversation_id, role);

-- Hourly volume
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_messages_org_created
  ON messages (org_id, created_at DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_messages_org_role_created
  ON messages (org_id, role, created_at DESC);

-- ============================================================================
-- STEP 6: ANALYTICS VIEW
-- ============================================================================
-- A view reads with its owner's rights, whom row level security does not hold: security_invoker makes it the reader's
-- (version 15 and later). The WHERE clause says the same once more, so that it holds without that as well;
-- security_barrier keeps a reader's own conditions from being tried on rows before it.

CREATE VIEW conversation_analytics WITH (security_invoker = true, security_barrier = true) AS
SELECT
  c.org_id,
  c.domain_id,
  (c.started_at AT TIME ZONE 'UTC')::date AS day,
  c.status,
  count(*) AS conversations,
  count(c.ended_at) AS ended,
  avg(extract(epoch FROM c.ended_at - c.started_at)) AS average_seconds
FROM conversations c
WHERE c.org_id IN (SELECT public.get_user_org_ids())
GROUP BY c.org_id, c.domain_id, (c.started_at AT TIME ZONE 'UTC')::date, c.status;

GRANT SELECT ON conversation_analytics TO authenticated;

COMMENT ON VIEW conversation_analytics IS
  'Conversations per organization, domain, day (UTC) and status, of the organizations that the reader is a member of.';

-- ============================================================================
-- STEP 7: FINAL VERIFICATION
-- ============================================================================

-- Verification 5: functions, indexes, constraints and view are there
DO $$
DECLARE
  functions bigint;
  indexes bigint;
  constraints bigint;
  views bigint;
BEGIN
  SELECT count(*) INTO functions
  FROM pg_proc p
  WHERE p.pronamespace = 'public'::regnamespace
    AND p.proname IN ('get_user_org_ids', 'user_has_org_access')
    AND p.prosecdef;
  SELECT count(*) INTO indexes
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  WHERE i.indrelid IN ('public.conversations'::regclass, 'public.messages'::regclass)
    AND i.indisvalid
    AND c.relname IN (
      'idx_conversations_domain_started', 'idx_conversations_org_started',
      'idx_conversations_domain_status_started', 'idx_conversations_org_status_started',
      'idx_messages_conversation_created', 'idx_messages_conversation_role',
      'idx_messages_org_created', 'idx_messages_org_role_created'
    );
  SELECT count(*) INTO constraints
  FROM pg_constraint k
  WHERE k.conname IN ('conversations_metadata_valid', 'messages_metadata_valid')
    AND k.conrelid IN ('public.conversations'::regclass, 'public.messages'::regclass)
    AND k.convalidated;
  SELECT count(*) INTO views
  FROM pg_views v
  WHERE v.schemaname = 'public' AND v.viewname = 'conversation_analytics';
  IF functions <> 2 THEN
    RAISE WARNING '% security definer functions of 2', functions;
  END IF;
  IF indexes <> 8 THEN
    RAISE WARNING '% valid composite indexes of 8', indexes;
  END IF;
  IF constraints <> 2 THEN
    RAISE WARNING '% validated JSONB constraints of 2', constraints;
  END IF;
  IF views <> 1 THEN
    RAISE WARNING 'the view conversation_analytics is missing';
  END IF;
  IF functions = 2 AND indexes = 8 AND constraints = 2 AND views = 1 THEN
    RAISE NOTICE 'conversations and messages: 2 functions, 8 policies, 8 indexes, 2 constraints, 1 view';
  END IF;
END $$;

-- ============================================================================
-- ROLLBACK (if issues occur; pgrunbook derives its own from what it finds before)
-- ============================================================================
-- DROP VIEW conversation_analytics;
-- DROP INDEX CONCURRENTLY idx_conversations_domain_started;        -- and the seven others, each by itself
-- DROP POLICY conversations_select_policy ON conversations;        -- and the seven others
-- CREATE POLICY "Users can view conversations of their organizations" ON conversations FOR SELECT USING (...);
-- CREATE POLICY "Users can view messages of their organizations" ON messages FOR SELECT USING (...);
-- ALTER TABLE conversations DROP CONSTRAINT conversations_metadata_valid;
-- ALTER TABLE messages DROP CONSTRAINT messages_metadata_valid;
-- ALTER TABLE conversations ALTER COLUMN org_id DROP NOT NULL;
-- ALTER TABLE messages ALTER COLUMN org_id DROP NOT NULL;
-- DROP FUNCTION get_user_org_ids();
-- DROP FUNCTION user_has_org_access(uuid);
-- The filled org_id may stay: it is what the column was added for.
