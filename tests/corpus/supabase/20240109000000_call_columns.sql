-- expect: round-trip
-- setup: supabase.sql
ALTER TABLE public.calls
  ADD COLUMN IF NOT EXISTS recording_url TEXT,
  ADD COLUMN IF NOT EXISTS sentiment_score NUMERIC(3,2) CHECK (sentiment_score >= 0 AND sentiment_score <= 1),
  ADD COLUMN IF NOT EXISTS metadata JSONB DEFAULT '{}'::jsonb;
CREATE INDEX IF NOT EXISTS idx_calls_metadata ON public.calls USING GIN (metadata);
COMMENT ON COLUMN public.calls.sentiment_score IS '0 is bad, 1 is good';
