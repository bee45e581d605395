-- The rehearsal data: two hundred organisations with half a year of calls, page views and sessions at scale 1.
--
--   export PGOPTIONS='-c pgrunbook.scale=1 -c pgrunbook.seed=42'
--   psql -X -v ON_ERROR_STOP=1 -d DATABASE -f schema.sql -f data.sql
--
-- The scale may be a fraction; the seed may be left out. Everything comes from hash functions of the seed
-- and a row's number, so that the same seed gives the same rows, on every server. The clock stands
-- at noon of the report's date, 2024-12-03, and 180 days lie behind it, denser towards their end.
-- One session, each statement on its own: the last one is a VACUUM, which no transaction takes.
--
-- Three organisations are there for the coverage of the last thirty days, 2024-11-04 to 2024-12-03:
--   1  10,000 sessions from scale 1 on, never more: the report's 7.2 million iterations
--   2  100 sessions at any scale: its 72,000
--   3  500 sessions, all of them in the last seven days: a longer range finds none more, and costs more all the same

-- What every statement below reads: the counts, the seed and the clock.
create temporary table load_settings as
select
    coalesce(nullif(current_setting('pgrunbook.seed', true), ''), '42')::bigint as seed,
    greatest(6, round(200 * scale))::integer as organizations,
    greatest(60, round(2000 * scale))::integer as users,
    greatest(300, round(20000 * scale))::integer as invites,
    greatest(600, round(60000 * scale))::integer as calls,
    greatest(1000, round(100000 * scale))::integer as pageviews,
    least(10000, greatest(60, round(10000 * scale)))::integer as sessions_of_first,
    100 as sessions_of_second,
    least(500, greatest(60, round(500 * scale)))::integer as sessions_of_third,
    greatest(60, round(5500 * scale))::integer as sessions_of_others,
    greatest(50, round(1000 * scale))::integer as feedback,
    greatest(100, round(5000 * scale))::integer as funnel,
    timestamptz '2024-12-03 12:00:00+00' as clock
from (select current_setting('pgrunbook.scale')::numeric) as wanted (scale);

-- A number for a row: the salt keeps the columns of one row apart.
create function pg_temp.hash(seed bigint, salt integer, i bigint) returns bigint
language sql immutable
as $$ select hashint8extended(i, seed # (salt::bigint << 40)) & 9223372036854775807 $$;

-- The same as a fraction, 0 <= x < 1.
create function pg_temp.fraction(seed bigint, salt integer, i bigint) returns double precision
language sql immutable
as $$ select (hashint8extended(i, seed # (salt::bigint << 40)) & 9007199254740991)::double precision / 9007199254740992 $$;

-- 1 to n, where k comes about 1/k as often as 1: few busy tenants, many quiet ones.
create function pg_temp.zipf(x double precision, n bigint) returns integer
language sql immutable
as $$ select least(n, floor(exp(x * ln(n + 1))))::integer $$;

create function pg_temp.uid(seed bigint, kind text, i bigint) returns uuid
language sql immutable
as $$ select md5(seed::text || ' ' || kind || ' ' || i::text)::uuid $$;

-- Seconds before the clock at which the i-th of n came, the oldest first: the days near the end have more.
create function pg_temp.ago(seed bigint, salt integer, i bigint, n bigint, days integer) returns interval
language sql immutable
as $$ select make_interval(secs => 60 + 86400 * days * power((n - i + pg_temp.fraction(seed, salt, i)) / n, 1.5)) $$;

create function pg_temp.country(x double precision) returns text
language sql immutable
as $$
    select case when x >= 0.1
        then (array['US', 'US', 'US', 'GB', 'CA', 'DE', 'AU', 'FR'])[1 + floor((x - 0.1) / 0.9 * 8)::integer]
    end
$$;

-- Foreign keys and plain indexes of the large tables are set aside and made again, as they were, when the rows are in.
create temporary table load_set_aside as
with large (oid) as (
    values ('call_logs'::regclass), ('widget_pageviews'), ('agent_sessions'), ('agent_status_changes')
)
select
    1 as turn,
    format('drop index %s', x.indexrelid::regclass) as away,
    pg_get_indexdef(x.indexrelid) as back
from pg_index as x
where x.indrelid in (select l.oid from large as l) and not x.indisprimary
union all
select
    2,
    format('alter table %s drop constraint %I', k.conrelid::regclass, k.conname),
    format('alter table %s add constraint %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
from pg_constraint as k
where k.contype = 'f' and k.conrelid in (select l.oid from large as l);

do $$
declare
    step record;
begin
    for step in select away from load_set_aside order by turn desc, away loop
        execute step.away;
    end loop;
end
$$;

-- Organisation 1 is the busiest.
insert into organizations (id, name, slug, plan, subscription_status, stripe_customer_id, time_zone, trial_ends_at, created_at)
select
    pg_temp.uid(s.seed, 'organization', k),
    (array['Harbor', 'Summit', 'Cedar', 'Union', 'Prairie', 'Granite', 'Lakeside', 'Beacon'])[1 + pg_temp.hash(s.seed, 1, k) % 8]
        || ' ' || (array['Dental', 'Plumbing', 'Legal', 'Realty', 'Insurance', 'Motors', 'Travel'])[1 + pg_temp.hash(s.seed, 2, k) % 7]
        || ' ' || k::text,
    'org-' || k::text,
    (array['free', 'starter', 'pro', 'enterprise'])[case when k <= 3 then 4 else 1 + pg_temp.hash(s.seed, 3, k) % 3 end],
    case when k % 12 = 0 then 'cancelled' when k % 9 = 0 then 'trialing' when k % 10 = 0 then 'paused' else 'active' end,
    case when k % 9 <> 0 then 'cus_' || md5(s.seed::text || ' customer ' || k::text) end,
    (array['America/New_York', 'America/Los_Angeles', 'Europe/London', 'Asia/Kolkata'])[1 + k % 4],
    case when k % 9 = 0 then s.clock + make_interval(days => k % 14) end,
    s.clock - make_interval(days => 260, secs => 8640000 * pg_temp.fraction(s.seed, 4, k))
from load_settings as s, generate_series(1, s.organizations) as k
order by k;

create temporary table load_organizations as
select k, pg_temp.uid(s.seed, 'organization', k) as id
from load_settings as s, generate_series(1, s.organizations) as k;

-- Every organisation has three users at least; the first is its admin, the others are agents.
create temporary table load_users as
select
    u.i,
    u.k,
    row_number() over (partition by u.k order by u.i) as j,
    pg_temp.uid(s.seed, 'user', u.i) as id,
    s.clock - pg_temp.ago(s.seed, 5, u.i, s.users, 240) as created_at
from load_settings as s
cross join lateral (
    select
        i,
        case when i <= 3 * s.organizations then 1 + (i - 1) / 3
            else pg_temp.zipf(pg_temp.fraction(s.seed, 6, i), s.organizations)
        end as k
    from generate_series(1, s.users) as i
) as u;

insert into users (id, organization_id, email, full_name, role, is_platform_admin, last_login_at, created_at)
select
    u.id,
    o.id,
    'user' || u.i::text || '@org' || u.k::text || '.example',
    'User ' || u.i::text,
    case when u.j = 1 then 'admin' else 'agent' end,
    u.i = 1,
    case when pg_temp.fraction(s.seed, 7, u.i) < 0.8
        then u.created_at + (s.clock - u.created_at) * pg_temp.fraction(s.seed, 8, u.i)
    end,
    u.created_at
from load_settings as s, load_users as u join load_organizations as o using (k)
order by u.created_at;

create temporary table load_agents as
select u.k, u.j - 1 as j, pg_temp.uid(s.seed, 'agent', u.i) as id, u.id as user_id, u.i, u.created_at
from load_settings as s, load_users as u
where u.j > 1;

create temporary table load_counts as
select o.k, o.id, count(a.j)::integer as agents
from load_organizations as o
join load_agents as a using (k)
group by o.k, o.id;

insert into agent_profiles (id, user_id, organization_id, display_name, status, is_active, deactivated_at, created_at)
select
    a.id,
    a.user_id,
    o.id,
    'Agent ' || a.j::text,
    case when a.i % 20 = 0 then 'offline'
        else (array['offline', 'offline', 'offline', 'idle', 'idle', 'in_call', 'away'])[1 + pg_temp.hash(s.seed, 9, a.i) % 7]
    end,
    a.i % 20 <> 0,
    case when a.i % 20 = 0 then s.clock - make_interval(secs => 8640000 * pg_temp.fraction(s.seed, 10, a.i)) end,
    a.created_at
from load_settings as s, load_agents as a join load_organizations as o using (k)
order by a.created_at;

-- More than half are accepted; what was not is still there, expired: nobody has cleaned up yet.
insert into invites (id, organization_id, invited_by, email, role, token, expires_at, accepted_at, created_at)
select
    pg_temp.uid(s.seed, 'invite', n.i),
    o.id,
    u.id,
    'guest' || n.i::text || '@org' || n.k::text || '.example',
    case when n.i % 15 = 0 then 'admin' else 'agent' end,
    md5(s.seed::text || ' invite ' || n.i::text),
    n.created_at + interval '7 days',
    case when pg_temp.fraction(s.seed, 13, n.i) < 0.55
        then least(s.clock, n.created_at + make_interval(secs => 518400 * power(pg_temp.fraction(s.seed, 14, n.i), 2)))
    end,
    n.created_at
from load_settings as s
cross join lateral (
    select
        i,
        pg_temp.zipf(pg_temp.fraction(s.seed, 11, i), s.organizations) as k,
        s.clock - pg_temp.ago(s.seed, 12, i, s.invites, 180) as created_at
    from generate_series(1, s.invites) as i
) as n
join load_organizations as o on o.k = n.k
join load_users as u on u.k = n.k and u.j = 1
order by n.i;

insert into sites (id, organization_id, name, domain, is_active, verified_at, created_at)
select
    pg_temp.uid(s.seed, 'site', o.k * 10 + j),
    o.id,
    'Site ' || j::text,
    (array['www', 'shop', 'help'])[j] || '.org' || o.k::text || '.example',
    (o.k + j) % 9 <> 0,
    case when (o.k + j) % 7 <> 0 then s.clock - interval '230 days' end,
    s.clock - interval '240 days'
from load_settings as s, load_organizations as o, generate_series(1, 1 + o.k % 3) as j
order by o.k, j;

insert into agent_pools (id, organization_id, name, is_catch_all, created_at)
select
    pg_temp.uid(s.seed, 'pool', o.k * 10 + j),
    o.id,
    (array['Everybody', 'Sales', 'Support'])[j],
    j = 1,
    s.clock - make_interval(days => 240, secs => o.k)
from load_settings as s, load_organizations as o, generate_series(1, 3) as j
order by o.k, j;

insert into agent_pool_members (id, pool_id, agent_profile_id, priority_rank, created_at)
select
    pg_temp.uid(s.seed, 'member', a.i::bigint * 10 + p),
    pg_temp.uid(s.seed, 'pool', a.k * 10 + p),
    a.id,
    1 + pg_temp.hash(s.seed, 15, a.i) % 2,
    a.created_at
from load_settings as s, load_agents as a, generate_series(1, 3) as p
where p = 1 or p = 2 + a.i % 2
order by a.i, p;

insert into pool_routing_rules (id, pool_id, domain_pattern, path_pattern, conditions, priority, is_active, created_at)
select
    pg_temp.uid(s.seed, 'rule', o.k * 100 + p * 10 + r),
    pg_temp.uid(s.seed, 'pool', o.k * 10 + p),
    '*.org' || o.k::text || '.example',
    (array['/pricing', '/help'])[r] || '/*',
    jsonb_build_array(jsonb_build_object('type', 'path', 'match', 'starts_with', 'value', (array['/pricing', '/help'])[r])),
    10 * r,
    (o.k + r) % 8 <> 0,
    s.clock - interval '200 days'
from load_settings as s, load_organizations as o, generate_series(2, 3) as p, generate_series(1, 2) as r
order by o.k, p, r;

insert into dispositions (id, organization_id, name, color, is_primary, is_active, display_order, created_at)
select
    pg_temp.uid(s.seed, 'disposition', o.k * 10 + j),
    o.id,
    (array['Sold', 'Call back', 'Not interested', 'Wrong number', 'Spam'])[j],
    (array['#2e7d32', '#f9a825', '#c62828', '#546e7a', '#212121'])[j],
    j = 1,
    not (j = 5 and o.k % 4 = 0),
    j,
    s.clock - interval '240 days'
from load_settings as s, load_organizations as o, generate_series(1, 5) as j
order by o.k, j;

-- Calls, the oldest first. The newest are pending or talked on; of the older ones some were never closed, because a
-- server went down while they were talked on. Whoever answered got a token.
create temporary table load_calls as
select
    n.*,
    o.id as organization_id,
    1 + (pg_temp.hash(n.seed, 21, n.i) % o.agents)::integer as j,
    case
        when n.calls - n.i < 4 then 'pending'
        when n.calls - n.i < 20 + n.calls / 1000 then 'accepted'
        when n.draw < 0.04 then 'accepted'
        when n.draw < 0.23 then 'missed'
        when n.draw < 0.29 then 'rejected'
        else 'completed'
    end as status
from (
    select
        i,
        s.seed,
        s.clock,
        s.calls,
        pg_temp.zipf(pg_temp.fraction(s.seed, 20, i), s.organizations) as k,
        pg_temp.fraction(s.seed, 22, i) as draw,
        s.clock - case when s.calls - i < 20 + s.calls / 1000
            then make_interval(secs => 5 + (s.calls - i) * 8)
            else interval '30 minutes' + pg_temp.ago(s.seed, 23, i, s.calls, 180)
        end as created_at,
        (20 + 1200 * power(pg_temp.fraction(s.seed, 24, i), 2))::integer as lasted,
        (2 + pg_temp.hash(s.seed, 25, i) % 12)::integer as rang
    from load_settings as s, generate_series(1, s.calls) as i
    offset 0
) as n
join load_counts as o using (k);

insert into call_logs (
    id, organization_id, site_id, agent_id, pool_id, disposition_id, visitor_id, visitor_country_code, status, page_url,
    ring_started_at, answered_at, ended_at, duration_seconds, recording_url, reconnect_token, reconnect_eligible,
    last_heartbeat_at, created_at
)
select
    pg_temp.uid(c.seed, 'call', c.i),
    c.organization_id,
    case when c.i % 25 <> 0 then pg_temp.uid(c.seed, 'site', c.k * 10 + 1 + pg_temp.hash(c.seed, 26, c.i) % (1 + c.k % 3)) end,
    a.id,
    case when c.draw < 0.8 then pg_temp.uid(c.seed, 'pool', c.k * 10 + 1 + pg_temp.hash(c.seed, 27, c.i) % 3) end,
    case when c.status = 'completed' and c.i % 8 <> 0
        then pg_temp.uid(c.seed, 'disposition', c.k * 10 + 1 + pg_temp.hash(c.seed, 28, c.i) % 5)
    end,
    'visitor-' || (pg_temp.hash(c.seed, 29, c.i) % (1 + c.calls / 2))::text,
    pg_temp.country(pg_temp.fraction(c.seed, 30, c.i)),
    c.status,
    'https://www.org' || c.k::text || '.example/'
        || (array['', 'pricing', 'help', 'contact', 'product/' || (c.i % 40)::text])[1 + c.i % 5],
    c.created_at,
    case when c.status in ('accepted', 'completed') then c.created_at + make_interval(secs => c.rang) end,
    case
        when c.status = 'completed' then c.created_at + make_interval(secs => c.rang + c.lasted)
        when c.status in ('missed', 'rejected') then c.created_at + make_interval(secs => c.rang)
    end,
    case when c.status = 'completed' then c.lasted end,
    case when c.status = 'completed' and c.k % 3 = 0
        then 'https://recordings.example/' || md5(c.seed::text || ' recording ' || c.i::text)
    end,
    case when c.status in ('accepted', 'completed') then 'rt_' || md5(c.seed::text || ' token ' || c.i::text) end,
    c.status <> 'completed' or c.i % 2 = 0,
    case when c.status in ('accepted', 'completed') then c.created_at + make_interval(secs => c.rang + least(c.lasted, 3)) end,
    c.created_at
from load_calls as c
join load_agents as a using (k, j)
order by c.i;

insert into widget_pageviews (id, organization_id, pool_id, agent_id, visitor_id, visitor_country_code, page_url, created_at)
select
    pg_temp.uid(n.seed, 'pageview', n.i),
    o.id,
    case when n.draw < 0.85 then pg_temp.uid(n.seed, 'pool', n.k * 10 + 1 + pg_temp.hash(n.seed, 41, n.i) % 3) end,
    case when pg_temp.fraction(n.seed, 42, n.i) < 0.68 then a.id end,
    'visitor-' || (pg_temp.hash(n.seed, 43, n.i) % (1 + n.pageviews / 3))::text,
    pg_temp.country(pg_temp.fraction(n.seed, 44, n.i)),
    'https://www.org' || n.k::text || '.example/'
        || (array['', 'pricing', 'help', 'contact', 'product/' || (n.i % 40)::text])[1 + n.i % 5],
    n.created_at
from (
    select
        i,
        s.seed,
        s.pageviews,
        pg_temp.zipf(pg_temp.fraction(s.seed, 40, i), s.organizations) as k,
        pg_temp.fraction(s.seed, 45, i) as draw,
        s.clock - pg_temp.ago(s.seed, 46, i, s.pageviews, 180) as created_at
    from load_settings as s, generate_series(1, s.pageviews) as i
    offset 0
) as n
join load_counts as o on o.k = n.k
join load_agents as a on a.k = n.k and a.j = 1 + pg_temp.hash(n.seed, 47, n.i) % o.agents
order by n.i;

-- Sessions start by day rather than by night. Those of the first two organisations lie in the last thirty days, those of
-- the third in the last seven; the others' lie anywhere in the half year. What would last beyond the clock has not ended.
create temporary table load_sessions as
select
    t.i,
    t.k,
    t.started_at,
    case when t.started_at + t.lasts < t.clock then t.started_at + t.lasts end as ended_at,
    t.clock,
    t.seed,
    a.id as agent_id,
    o.id as organization_id
from (
    select
        n.*,
        case when n.days is null
            then date_trunc('day', n.clock - interval '1 day' - pg_temp.ago(n.seed, 50, n.number, n.of, 178), 'UTC')
            else date_trunc('day', n.clock, 'UTC') - make_interval(days => (pg_temp.hash(n.seed, 51, n.i) % n.days)::integer)
        end + make_interval(secs => n.into_day) as started_on,
        make_interval(secs => 1200 + 16800 * power(pg_temp.fraction(n.seed, 52, n.i), 1.5)) as lasts
    from (
        select
            i,
            s.seed,
            s.clock,
            placed.k,
            placed.days,
            placed.number,
            s.sessions_of_others as of,
            28800 * (pg_temp.fraction(s.seed, 53, i) + pg_temp.fraction(s.seed, 54, i) + pg_temp.fraction(s.seed, 55, i)) as into_day
        from load_settings as s
        cross join lateral generate_series(
            1, s.sessions_of_first + s.sessions_of_second + s.sessions_of_third + s.sessions_of_others
        ) as i
        cross join lateral (
            select
                case
                    when i <= s.sessions_of_first then 1
                    when i <= s.sessions_of_first + s.sessions_of_second then 2
                    when i <= s.sessions_of_first + s.sessions_of_second + s.sessions_of_third then 3
                    else 3 + pg_temp.zipf(pg_temp.fraction(s.seed, 56, i), s.organizations - 3)
                end as k,
                case
                    when i <= s.sessions_of_first + s.sessions_of_second then 30
                    when i <= s.sessions_of_first + s.sessions_of_second + s.sessions_of_third then 7
                end as days,
                i - s.sessions_of_first - s.sessions_of_second - s.sessions_of_third as number
        ) as placed
        offset 0
    ) as n
) as placed_at
cross join lateral (
    -- the last day is half over
    select placed_at.*, case when placed_at.started_on >= placed_at.clock
        then date_trunc('day', placed_at.clock, 'UTC') + (placed_at.started_on - date_trunc('day', placed_at.clock, 'UTC')) * 0.49
        else placed_at.started_on
    end as started_at
) as t
join load_counts as o on o.k = t.k
join load_agents as a on a.k = t.k and a.j = 1 + pg_temp.hash(t.seed, 57, t.i) % o.agents;

insert into agent_sessions (
    id, agent_id, organization_id, started_at, ended_at, idle_seconds, in_call_seconds, away_seconds, ended_reason
)
select
    pg_temp.uid(t.seed, 'session', t.i),
    t.agent_id,
    t.organization_id,
    t.started_at,
    t.ended_at,
    t.seconds - t.seconds * 2 / 5 - t.seconds / 10,
    t.seconds * 2 / 5,
    t.seconds / 10,
    case when t.ended_at is not null
        then (array['logout', 'logout', 'disconnect', 'idle_timeout', 'server_restart'])[1 + pg_temp.hash(t.seed, 58, t.i) % 5]
    end
from (select *, extract(epoch from coalesce(ended_at, clock) - started_at)::integer as seconds from load_sessions) as t
order by t.started_at, t.i;

-- Three changes a session and more: it begins idle, goes back and forth, and ends offline.
insert into agent_status_changes (id, session_id, agent_id, from_status, to_status, reason, changed_at)
select
    pg_temp.uid(t.seed, 'change', t.i::bigint * 10 + c.n),
    pg_temp.uid(t.seed, 'session', t.i),
    t.agent_id,
    case when c.n = 1 then 'offline' when c.n % 2 = 0 then 'idle' else c.other end,
    case when c.n = c.changes and t.ended_at is not null then 'offline' when c.n % 2 = 1 then 'idle' else c.other end,
    case when c.n = 1 then 'login' when c.n % 2 = 0 and c.other = 'in_call' then 'call_started' else 'manual' end,
    t.started_at + (coalesce(t.ended_at, t.clock) - t.started_at) * ((c.n - 1)::double precision / greatest(1, c.changes - 1))
from load_sessions as t
cross join lateral (
    select
        n,
        counted.changes,
        case when pg_temp.fraction(t.seed, 59, t.i::bigint * 10 + n / 2) < 0.7 then 'in_call' else 'away' end as other
    from (select (2 + pg_temp.hash(t.seed, 60, t.i) % 3)::integer as changes) as counted,
        generate_series(1, counted.changes) as n
) as c
order by t.started_at, t.i, c.n;

insert into feedback_items (id, organization_id, user_id, type, title, status, priority, vote_count, created_at, resolved_at)
select
    pg_temp.uid(s.seed, 'feedback', n.i),
    o.id,
    case when n.i % 10 <> 0 then u.id end,
    (array['bug', 'feature', 'feature', 'praise'])[1 + n.i % 4],
    (array[
        'The widget hides the cookie banner', 'Let agents set a status message', 'Export calls as CSV', 'Works well on phones'
    ])[1 + n.i % 4],
    case when pg_temp.fraction(s.seed, 72, n.i) < 0.45 then 'done' else (array['open', 'planned', 'declined'])[1 + n.i % 3] end,
    1 + (pg_temp.hash(s.seed, 73, n.i) % 5)::integer,
    pg_temp.zipf(pg_temp.fraction(s.seed, 74, n.i), 80) - 1,
    n.created_at,
    case when pg_temp.fraction(s.seed, 72, n.i) < 0.45 then n.created_at + (s.clock - n.created_at) * 0.5 end
from load_settings as s
cross join lateral (
    select
        i,
        pg_temp.zipf(pg_temp.fraction(s.seed, 70, i), s.organizations) as k,
        s.clock - pg_temp.ago(s.seed, 71, i, s.feedback, 180) as created_at
    from generate_series(1, s.feedback) as i
) as n
join load_organizations as o on o.k = n.k
join load_users as u on u.k = n.k and u.j = 1 + n.i % 3
order by n.i;

-- Thirty a piece, as the report counts them.
insert into mrr_snapshots (id, organization_id, snapshot_date, plan, seats, mrr)
select
    pg_temp.uid(s.seed, 'snapshot', o.k * 100 + d),
    o.id,
    (s.clock at time zone 'UTC')::date - d,
    r.plan,
    c.agents,
    case r.plan when 'free' then 0 when 'starter' then 19 when 'pro' then 39 else 79 end * c.agents
from load_settings as s
cross join load_counts as c
join load_organizations as o on o.k = c.k
join organizations as r on r.id = o.id
cross join generate_series(0, 29) as d
order by d desc, o.k;

insert into mrr_changes (id, organization_id, change_type, previous_mrr, new_mrr, changed_at)
select
    pg_temp.uid(s.seed, 'mrr change', o.k * 100 + n),
    o.id,
    case when n = 1 then 'new' when n = 6 and o.k % 12 = 0 then 'churn' when n % 3 = 0 then 'contraction' else 'expansion' end,
    case when n = 1 then 0 else 19 * n end,
    case when n = 6 and o.k % 12 = 0 then 0 when n % 3 = 0 then 19 * (n - 1) else 19 * (n + 1) end,
    s.clock - make_interval(days => 30 * (6 - n), secs => 2500000 * pg_temp.fraction(s.seed, 75, o.k * 100 + n))
from load_settings as s, load_organizations as o, generate_series(1, 6) as n
order by n, o.k;

insert into funnel_events (id, organization_id, visitor_id, event, source, created_at)
select
    pg_temp.uid(s.seed, 'funnel', i),
    case when i % 5 > 2 then pg_temp.uid(s.seed, 'organization', 1 + pg_temp.hash(s.seed, 80, i) % s.organizations) end,
    'lead-' || (pg_temp.hash(s.seed, 81, i) % (1 + s.funnel / 4))::text,
    (array['landing', 'pricing', 'signup', 'embed', 'first_call'])[1 + i % 5],
    case when i % 3 <> 0 then (array['search', 'partner', 'newsletter', 'advert'])[1 + pg_temp.hash(s.seed, 82, i) % 4] end,
    s.clock - pg_temp.ago(s.seed, 83, i, s.funnel, 180)
from load_settings as s, generate_series(1, s.funnel) as i
order by i;

insert into pmf_surveys (id, organization_id, user_id, disappointment, asked_at, completed_at)
select
    pg_temp.uid(s.seed, 'survey', u.i),
    o.id,
    u.id,
    case when u.i % 2 = 0 then (array['very', 'somewhat', 'somewhat', 'not'])[1 + pg_temp.hash(s.seed, 84, u.i) % 4] end,
    u.created_at + (s.clock - u.created_at) * 0.5,
    case when u.i % 2 = 0 then u.created_at + (s.clock - u.created_at) * 0.6 end
from load_settings as s, load_users as u join load_organizations as o using (k)
where u.i % 4 <> 1
order by u.i;

do $$
declare
    step record;
begin
    for step in select back from load_set_aside order by turn, back loop
        execute step.back;
    end loop;
end
$$;

drop table load_set_aside, load_sessions, load_calls, load_counts, load_agents, load_users, load_organizations, load_settings;

vacuum (analyze) organizations, users, agent_profiles, invites, sites, agent_pools, agent_pool_members, pool_routing_rules,
    dispositions, call_logs, widget_pageviews, agent_sessions, agent_status_changes, feedback_items, mrr_snapshots, mrr_changes,
    funnel_events, pmf_surveys;
