-- The rehearsal data: 24 organisations with 2,132 conversations at scale 1, ten times that at scale 10.
--
--   export PGOPTIONS='-c pgrunbook.scale=1 -c pgrunbook.seed=42'
--   psql -X -v ON_ERROR_STOP=1 -d DATABASE -f schema.sql -f data.sql
--
-- The scale may be a fraction; the seed may be left out. Everything comes from hash functions of the seed
-- and a row's number, so that the same seed gives the same rows, on every server. The clock stands
-- at the hour of the migration, 2025-11-07 23:00, and 120 days of conversations lie behind it.
-- Whoever loads it owns the tables: row level security does not hold for the owner.

-- What every statement below reads: the counts, the seed and the clock.
create temporary table load_settings as
select
    coalesce(nullif(current_setting('pgrunbook.seed', true), ''), '42')::bigint as seed,
    greatest(4, round(24 * scale))::integer as organizations,
    greatest(40, round(2132 * scale))::integer as conversations,
    timestamptz '2025-11-07 23:00:00+00' as clock
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

-- Organisation 1 is the busiest.
create temporary table load_organizations as
select
    k,
    pg_temp.uid(s.seed, 'organization', k) as id,
    2 + 10 / k as members,
    1 + (pg_temp.hash(s.seed, 1, k) % 3)::integer as domains
from load_settings as s, generate_series(1, s.organizations) as k;

insert into organizations (id, name, created_at)
select
    o.id,
    (array['Harbor', 'Summit', 'Cedar', 'Union', 'Prairie', 'Granite', 'Lakeside', 'Beacon'])[1 + pg_temp.hash(s.seed, 2, o.k) % 8]
        || ' ' || (array['Bikes', 'Tools', 'Garden', 'Lighting', 'Pumps', 'Textiles', 'Motors'])[1 + pg_temp.hash(s.seed, 3, o.k) % 7]
        || ' ' || o.k::text,
    s.clock - make_interval(days => 150, secs => 15552000 * pg_temp.fraction(s.seed, 4, o.k))
from load_settings as s, load_organizations as o
order by o.k;

-- The staff of each, and three people who are not one organisation's: the operator of the platform, who is a member of
-- all of them, a consultant of two, and one who has signed up and was not invited anywhere yet.
create temporary table load_members as
select o.k, o.id as org_id, pg_temp.uid(s.seed, 'user', o.k * 1000 + j) as user_id,
    'agent' || j::text || '@org' || o.k::text || '.example' as email,
    case j when 1 then 'owner' when 2 then 'admin' else 'member' end as role
from load_settings as s, load_organizations as o, generate_series(1, o.members) as j
union all
select o.k, o.id, pg_temp.uid(s.seed, 'operator', 1), 'operator@platform.example', 'support'
from load_settings as s, load_organizations as o
union all
select o.k, o.id, pg_temp.uid(s.seed, 'consultant', 1), 'consultant@agency.example', 'member'
from load_settings as s, load_organizations as o
where o.k in (2, 3);

insert into auth.users (id, email, created_at)
select distinct m.user_id, m.email, s.clock - interval '150 days'
from load_settings as s, load_members as m
union all
select pg_temp.uid(s.seed, 'newcomer', 1), 'newcomer@mail.example', s.clock - interval '1 hour'
from load_settings as s
order by 2;

insert into organization_members (id, org_id, user_id, role, created_at)
select
    pg_temp.uid(s.seed, 'member', row_number() over (order by m.k, m.email)),
    m.org_id,
    m.user_id,
    m.role,
    s.clock - interval '149 days'
from load_settings as s, load_members as m
order by m.k, m.email;

create temporary table load_domains as
select o.k, j, o.id as org_id, o.domains, pg_temp.uid(s.seed, 'domain', o.k * 1000 + j) as id
from load_settings as s, load_organizations as o, generate_series(1, o.domains) as j;

insert into domains (id, org_id, domain, created_at)
select
    d.id,
    d.org_id,
    (array['www', 'shop', 'help'])[d.j] || '.org' || d.k::text || '.example',
    s.clock - interval '148 days'
from load_settings as s, load_domains as d
order by d.k, d.j;

-- Conversations, the oldest first, none at the same moment as another. Every organisation has one at least. More of
-- them start by day than by night. The newest are under way; some of the older ones nobody ever closed.
create temporary table load_conversations as
with placed as (
    select
        s.seed,
        s.clock,
        s.conversations,
        i,
        case when i <= s.organizations then i else pg_temp.zipf(pg_temp.fraction(s.seed, 10, i), s.organizations) end as k,
        s.clock - make_interval(secs => 2000 + 10368000
            * power((s.conversations - i + pg_temp.fraction(s.seed, 11, i)) / s.conversations, 1.3)) as evenly,
        pg_temp.fraction(s.seed, 12, i) as status_draw,
        1 + pg_temp.hash(s.seed, 13, i) % 6 + pg_temp.hash(s.seed, 14, i) % 10 + pg_temp.hash(s.seed, 15, i) % 10 as messages
    from load_settings as s, generate_series(1, s.conversations) as i
    offset 0
),
timed as (
    select
        p.*,
        -- Of those at night two thirds are put off to the hours between nine and five.
        case when extract(hour from p.evenly at time zone 'UTC') < 8 and pg_temp.fraction(p.seed, 16, p.i) < 0.67
            then p.evenly + interval '9 hours'
            else p.evenly
        end as started_at
    from placed as p
    offset 0
)
select
    t.*,
    pg_temp.uid(t.seed, 'conversation', t.i) as id,
    d.id as domain_id,
    d.org_id,
    case
        when t.conversations - t.i < 4 + t.conversations / 100 then (array['active', 'waiting'])[1 + pg_temp.hash(t.seed, 17, t.i) % 2]
        when t.status_draw < 0.05 then 'active'
        when t.status_draw < 0.09 then 'waiting'
        when t.status_draw < 0.16 then 'escalated'
        else 'resolved'
    end as status
from timed as t
join load_organizations as o on o.k = t.k
join load_domains as d on d.k = t.k and d.j = pg_temp.zipf(pg_temp.fraction(t.seed, 18, t.i), o.domains);

analyze load_conversations;

-- org_id is there for most of the last third, which a newer version of the application wrote, and for a few before.
insert into conversations (id, domain_id, org_id, session_id, status, started_at, ended_at, metadata)
select
    c.id,
    c.domain_id,
    case when pg_temp.fraction(c.seed, 20, c.i) < case when 3 * c.i > 2 * c.conversations then 0.9 else 0.05 end then c.org_id end,
    'sess_' || md5(c.seed::text || ' session ' || (c.i - pg_temp.hash(c.seed, 21, c.i) % 2)::text),
    c.status,
    c.started_at,
    case when c.status = 'resolved' then c.started_at + make_interval(secs => 40 + 75 * c.messages) end,
    case pg_temp.hash(c.seed, 22, c.i) % 8
        when 0 then null
        when 1 then '{}'
        when 2 then jsonb_build_object('language', (array['en', 'de', 'fr'])[1 + pg_temp.hash(c.seed, 23, c.i) % 3])
        when 3 then jsonb_build_object('page', '/products/' || (c.i % 90)::text, 'referrer', null)
        when 4 then jsonb_build_object('customer', jsonb_build_object('verified', c.i % 3 = 0, 'orders', c.i % 7), 'language', 'en')
        when 5 then jsonb_build_object('tags', (array['["shipping"]', '["returns", "refund"]', '[]'])[1 + c.i % 3]::jsonb)
        when 6 then jsonb_build_object('rating', 1 + pg_temp.hash(c.seed, 24, c.i) % 5, 'resolved_by', 'assistant')
        else jsonb_build_object('page', '/', 'language', 'en', 'widget', jsonb_build_object('version', '2.' || (c.i % 12)::text))
    end
from load_conversations as c
order by c.started_at;

-- Twelve or thirteen messages a conversation: the visitor asks, the assistant answers, the system notes an escalation.
insert into messages (id, conversation_id, org_id, role, content, metadata, created_at)
select
    pg_temp.uid(c.seed, 'message', c.i::bigint * 100 + j),
    c.id,
    case when pg_temp.fraction(c.seed, 30, c.i::bigint * 100 + j) < case when 4 * c.i > 3 * c.conversations then 0.9 else 0.02 end
        then c.org_id
    end,
    case
        when c.status = 'escalated' and j = c.messages then 'system'
        when j % 2 = 1 then 'user'
        else 'assistant'
    end,
    case
        when c.status = 'escalated' and j = c.messages then 'Handed over to a person.'
        when j % 2 = 1 then (array[
            'Where is my order?',
            'Do you have this pump in stainless steel, and does it fit the fitting of the older model?',
            'ok thanks',
            'Can I return it without the box?',
            'How long does delivery to the islands take at this time of the year? Last time it was two weeks, which was too late.'
        ])[1 + pg_temp.hash(c.seed, 31, c.i::bigint * 100 + j) % 5]
        else (array[
            'I have found three products that match what you describe. The first one is in stock and arrives in two days; '
                || 'the other two are made to order, which takes about a week. Shall I show you the differences between them?',
            'Your order left our warehouse this morning.',
            'You have thirty days to return it, with or without its box; please enclose the form that came with it.',
            'I am not sure that I understand. Could you give me the number of your order?'
        ])[1 + pg_temp.hash(c.seed, 31, c.i::bigint * 100 + j) % 4]
    end,
    case
        when j % 2 = 0 then jsonb_build_object('model', 'assistant-2', 'tokens', 40 + pg_temp.hash(c.seed, 32, c.i::bigint * 100 + j) % 400,
            'sources', jsonb_build_array('/help/' || (j % 9)::text))
        when pg_temp.hash(c.seed, 33, c.i::bigint * 100 + j) % 10 = 0 then null
        when pg_temp.hash(c.seed, 33, c.i::bigint * 100 + j) % 10 = 1 then '{"attachments": [], "edited": true}'
        else '{}'
    end,
    c.started_at + make_interval(secs => 75 * (j - 1) + 60 * pg_temp.fraction(c.seed, 34, c.i::bigint * 100 + j))
from load_conversations as c, generate_series(1, c.messages) as j
order by c.started_at, j;

drop table load_conversations, load_domains, load_members, load_organizations, load_settings;

vacuum (analyze) auth.users, organizations, organization_members, domains, conversations, messages;
