-- What the report "Database & Scalability Audit" (2024-12-03) recommends, as far as it is a change to the database: its two
-- indexes, and the coverage calculation by hour moved from the dashboard into the database.

-- "1. Add reconnect_token index", "2. Add expires_at index on invites": the statements are the report's own, to the letter.
-- Run as they stand here, each holds up every write to its table for as long as it builds.
CREATE INDEX IF NOT EXISTS idx_call_logs_reconnect_token
ON call_logs(reconnect_token)
WHERE reconnect_token IS NOT NULL
  AND status = 'accepted'
  AND reconnect_eligible = true;

CREATE INDEX IF NOT EXISTS idx_invites_expires_at
ON invites(expires_at)
WHERE accepted_at IS NULL;

-- "3. Refactor coverage calculation - Move to database-side aggregation". The report prints no SQL for it; this is ours.
-- Instead of looking at every session for every hour of the range, each session is laid out over the hours that it
-- touches, a handful, and these are added up by the hour that the clock shows. A longer range costs nothing by itself.
CREATE OR REPLACE FUNCTION hourly_coverage(
    org_id uuid, from_day date, to_day date, tz text DEFAULT 'UTC', as_of timestamptz DEFAULT now()
) RETURNS TABLE (hour integer, agent_minutes numeric, average_agents numeric)
LANGUAGE sql STABLE
AS $$
    WITH span AS (
        SELECT
            from_day::timestamp AT TIME ZONE tz AS begins,
            (to_day + 1)::timestamp AT TIME ZONE tz AS ends
    ),
    worked AS (
        SELECT
            greatest(s.started_at, span.begins) AS begins,
            least(coalesce(s.ended_at, as_of), span.ends) AS ends
        FROM span
        JOIN public.agent_sessions s
            ON s.organization_id = org_id
            AND s.started_at < span.ends
            AND (s.ended_at > span.begins OR s.ended_at IS NULL)
    ),
    touched AS (
        SELECT
            extract(hour FROM h.begins AT TIME ZONE tz)::integer AS clock_hour,
            sum(
                extract(epoch FROM least(w.ends, h.begins + interval '1 hour') - greatest(w.begins, h.begins))::numeric
            ) AS seconds
        FROM worked w
        CROSS JOIN LATERAL generate_series(date_trunc('hour', w.begins, tz), w.ends, interval '1 hour') AS h (begins)
        WHERE h.begins < w.ends
        GROUP BY 1
    )
    SELECT
        o.clock_hour,
        round(coalesce(t.seconds, 0) / 60, 3),
        round(coalesce(t.seconds, 0) / 3600 / greatest(1, to_day - from_day + 1), 4)
    FROM generate_series(0, 23) AS o (clock_hour)
    LEFT JOIN touched t USING (clock_hour)
    ORDER BY o.clock_hour
$$;

COMMENT ON FUNCTION hourly_coverage(uuid, date, date, text, timestamptz) IS
    'Minutes and average number of agents signed in, by hour of the day in time zone tz; an open session lasts until as_of.';
