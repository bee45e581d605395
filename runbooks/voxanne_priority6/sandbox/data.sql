-- The rehearsal data: thirty organisations with half a year of calls, appointments and messages at scale 1.
--
--   export PGOPTIONS='-c pgrunbook.scale=1 -c pgrunbook.seed=42'
--   psql -X -v ON_ERROR_STOP=1 -d DATABASE -f schema.sql -f data.sql
--
-- The scale may be a fraction; the seed may be left out. Everything comes from hash functions of the seed
-- and a row's number, so that the same seed gives the same rows, on every server. The clock stands
-- at noon of the document's date, 2026-01-28, and 180 days lie behind it, denser towards their end.
-- One session, each statement on its own: the last one is a VACUUM, which no transaction takes.
--
-- At scale 1 organisation 1 has 12,000 inbound calls, and more than ten organisations have over 1,000. At any scale
-- organisation 1 has 100 agents, organisation 2 ten, and there are 1,500 users, of whom the agents' are some.

-- What every statement below reads: the counts, the seed and the clock.
create temporary table load_settings as
select
    coalesce(nullif(current_setting('pgrunbook.seed', true), ''), '42')::bigint as seed,
    greatest(12, least(300, round(30 * scale)))::integer as organizations,
    1500 as users,
    greatest(300, round(15000 * scale))::integer as contacts,
    greatest(1200, round(60000 * scale))::integer as inbound,
    greatest(800, round(40000 * scale))::integer as outbound,
    greatest(600, round(30000 * scale))::integer as appointments,
    greatest(1000, round(50000 * scale))::integer as messages,
    timestamptz '2026-01-28 12:00:00+00' as clock
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
create function pg_temp.ago(seed bigint, salt integer, i bigint, n bigint) returns interval
language sql immutable
as $$ select make_interval(secs => 60 + 15552000 * power((n - i + pg_temp.fraction(seed, salt, i)) / n, 1.5)) $$;

-- Foreign keys of the large tables are set aside and made again, as they were, when the rows are in.
create temporary table load_set_aside as
select
    format('alter table %s drop constraint %I', k.conrelid::regclass, k.conname) as away,
    format('alter table %s add constraint %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)) as back
from pg_constraint as k
where k.contype = 'f'
    and k.conrelid in ('contacts'::regclass, 'call_logs'::regclass, 'outbound_calls'::regclass, 'appointments'::regclass,
        'messages'::regclass);

do $$
declare
    step record;
begin
    for step in select away from load_set_aside order by away loop
        execute step.away;
    end loop;
end
$$;

-- Organisation 1 is the busiest.
insert into organizations (id, name, plan, settings, integrations, created_at)
select
    pg_temp.uid(s.seed, 'organization', k),
    (array['Harbor', 'Summit', 'Cedar', 'Union', 'Prairie', 'Granite', 'Lakeside', 'Beacon'])[1 + pg_temp.hash(s.seed, 1, k) % 8]
        || ' ' || (array['Dental', 'Clinic', 'Aesthetics', 'Physio', 'Dermatology', 'Optics'])[1 + pg_temp.hash(s.seed, 2, k) % 6]
        || ' ' || k::text,
    case when k <= 3 then 'scale' when k % 3 = 0 then 'growth' else 'starter' end,
    jsonb_build_object(
        'timezone', (array['America/New_York', 'America/Los_Angeles', 'Europe/London'])[1 + k % 3],
        'business_hours', jsonb_build_object('open', '08:00', 'close', (array['17:00', '18:00', '20:00'])[1 + k % 3]),
        'reminder_hours', 24
    ),
    jsonb_build_object(
        'calendar', jsonb_build_object('provider', 'google', 'enabled', k % 4 <> 0),
        'telephony', jsonb_build_object('provider', 'twilio', 'webhook_id', md5(s.seed::text || ' webhook ' || k::text))
    ),
    s.clock - make_interval(days => 200, secs => 8640000 * pg_temp.fraction(s.seed, 3, k))
from load_settings as s, generate_series(1, s.organizations) as k
order by k;

create temporary table load_organizations as
select k, pg_temp.uid(s.seed, 'organization', k) as id
from load_settings as s, generate_series(1, s.organizations) as k;

insert into users (id, email, full_name, created_at)
select
    pg_temp.uid(s.seed, 'user', i),
    'user' || i::text || '@voxanne.example',
    (array['Ada', 'Ben', 'Cleo', 'Dev', 'Elif', 'Finn', 'Gwen', 'Hugo'])[1 + pg_temp.hash(s.seed, 4, i) % 8] || ' '
        || (array['Moss', 'Lane', 'Park', 'Reed', 'Stone', 'Wells'])[1 + pg_temp.hash(s.seed, 5, i) % 6] || ' ' || i::text,
    s.clock - pg_temp.ago(s.seed, 6, i, s.users)
from load_settings as s, generate_series(1, s.users) as i
order by i;

-- A user each, some of the first to sign up and some of the last.
create temporary table load_agents as
select
    a.k,
    a.j,
    row_number() over (order by a.j, a.k) as i,
    pg_temp.uid(a.seed, 'agent', a.k * 1000 + a.j) as id
from (
    select s.seed, o.k, j
    from load_settings as s, load_organizations as o,
        generate_series(1, case when o.k = 1 then 100 when o.k = 2 then 10 else 2 + pg_temp.hash(s.seed, 7, o.k) % 6 end) as j
) as a;

insert into agents (id, org_id, user_id, name, voice, is_active, created_at)
select
    a.id,
    o.id,
    u.id,
    'Agent ' || a.j::text,
    (array['jennifer', 'marcus', 'default'])[1 + pg_temp.hash(s.seed, 8, a.i) % 3],
    pg_temp.hash(s.seed, 9, a.i) % 12 <> 0,
    u.created_at
from load_settings as s
join load_agents as a on true
join load_organizations as o using (k)
join users as u on u.id = pg_temp.uid(s.seed, 'user', 1 + (a.i * 7919) % s.users)
order by u.created_at;

insert into inbound_agent_config (org_id, agent_id, greeting, max_call_seconds, updated_at)
select o.id, a.id, 'Thank you for calling, how can I help you today?', 600 + 60 * (o.k % 10), s.clock - interval '30 days'
from load_settings as s, load_organizations as o join load_agents as a using (k)
where a.j = 1
order by o.k;

insert into services (id, org_id, name, keywords, price, created_at, updated_at)
select
    pg_temp.uid(s.seed, 'service', o.k * 1000 + j),
    o.id,
    (array['Consultation', 'Whitening', 'Cleaning', 'Follow-up', 'Assessment', 'Treatment'])[1 + pg_temp.hash(s.seed, 10, o.k * 1000 + j) % 6]
        || ' ' || j::text,
    array['booking', 'service ' || j::text],
    20 + pg_temp.hash(s.seed, 11, o.k * 1000 + j) % 480,
    t.created_at,
    t.created_at
from load_settings as s
join load_organizations as o on true
cross join lateral generate_series(1, 10 + pg_temp.hash(s.seed, 12, o.k) % 31) as j
cross join lateral (select s.clock - make_interval(days => 170, secs => -3600 * j - o.k)) as t (created_at)
order by t.created_at;

-- As many contacts an organisation as it has calls, in proportion; the first ones call most often.
create temporary table load_contacts as
select
    n.k,
    row_number() over (partition by n.k order by n.i) as j,
    n.i,
    o.id as org_id,
    pg_temp.uid(n.seed, 'contact', n.i) as id,
    '+1' || (2000000000 + (n.i::bigint * 7368787) % 7999999999)::text as phone_number,
    n.clock - pg_temp.ago(n.seed, 20, n.i, n.contacts) as created_at
from (
    select
        i,
        s.seed,
        s.clock,
        s.contacts,
        case when i <= s.organizations then i::integer else pg_temp.zipf(pg_temp.fraction(s.seed, 21, i), s.organizations) end as k
    from load_settings as s, generate_series(1, s.contacts) as i
    offset 0
) as n
join load_organizations as o using (k);

insert into contacts (id, org_id, name, phone_number, email, lead_score, created_at)
select
    c.id,
    c.org_id,
    'Contact ' || c.i::text,
    c.phone_number,
    case when pg_temp.hash(s.seed, 22, c.i) % 5 <> 0 then 'contact' || c.i::text || '@mail.example' end,
    (pg_temp.hash(s.seed, 23, c.i) % 101)::integer,
    c.created_at
from load_settings as s, load_contacts as c
order by c.i;

create temporary table load_counts as
select c.k, c.org_id, count(*) as contacts, (select count(*) from load_agents as a where a.k = c.k) as agents
from load_contacts as c
group by c.k, c.org_id;

-- Calls of both kinds, the oldest first; one in ten is with a number that is nobody's contact.
create temporary table load_calls as
select
    n.*,
    o.org_id,
    1 + pg_temp.hash(n.seed, 30, n.i) % o.agents as agent,
    case when pg_temp.hash(n.seed, 31, n.i) % 10 <> 0
        then 1 + floor(o.contacts * power(pg_temp.fraction(n.seed, 32, n.i), 2))::bigint
    end as contact,
    case
        when n.of - n.number < 3 then 'in_progress'
        when n.draw < 0.14 then 'missed'
        when n.draw < 0.17 then 'failed'
        else 'completed'
    end as status
from (
    select
        i,
        s.seed,
        i <= s.inbound as inbound,
        p.number,
        p.of,
        pg_temp.zipf(pg_temp.fraction(s.seed, 33, i), s.organizations) as k,
        pg_temp.fraction(s.seed, 34, i) as draw,
        s.clock - pg_temp.ago(s.seed, 35, p.number, p.of) as created_at
    from load_settings as s
    cross join lateral generate_series(1, s.inbound + s.outbound) as i
    cross join lateral (
        select
            case when i <= s.inbound then i else i - s.inbound end as number,
            case when i <= s.inbound then s.inbound else s.outbound end as of
    ) as p
    offset 0
) as n
join load_counts as o using (k);

create temporary table load_call_rows as
select
    c.i,
    c.inbound,
    pg_temp.uid(c.seed, 'call', c.i) as id,
    c.org_id,
    a.id as agent_id,
    coalesce(t.phone_number, '+44' || (7000000000 + pg_temp.hash(c.seed, 36, c.i) % 999999999)::text) as phone_number,
    c.status,
    case when c.status = 'completed' then (15 + 900 * power(pg_temp.fraction(c.seed, 37, c.i), 2))::integer end as duration_seconds,
    case when c.status = 'completed'
        then (array['Asked about prices of', 'Booked an appointment for', 'Moved an appointment for', 'Wanted to speak to a person about'])
            [1 + pg_temp.hash(c.seed, 38, c.i) % 4] || ' service ' || (c.i % 40)::text
    end as summary,
    case when c.status = 'completed'
        then (array['positive', 'neutral', 'neutral', 'negative'])[1 + pg_temp.hash(c.seed, 39, c.i) % 4]
    end as sentiment,
    case when c.status = 'completed' and c.k % 3 = 0
        then 'https://recordings.example/' || md5(c.seed::text || ' recording ' || c.i::text)
    end as recording_url,
    c.created_at
from load_calls as c
join load_agents as a on a.k = c.k and a.j = c.agent
left join load_contacts as t on t.k = c.k and t.j = c.contact;

insert into call_logs (
    id, org_id, agent_id, phone_number, status, duration_seconds, summary, sentiment, recording_url, created_at
)
select
    c.id, c.org_id, c.agent_id, c.phone_number, c.status, c.duration_seconds, c.summary, c.sentiment, c.recording_url, c.created_at
from load_call_rows as c
where c.inbound
order by c.i;

insert into outbound_calls (
    id, org_id, agent_id, phone_number, status, duration_seconds, summary, sentiment, recording_url, created_at
)
select
    c.id, c.org_id, c.agent_id, c.phone_number, c.status, c.duration_seconds, c.summary, c.sentiment, c.recording_url, c.created_at
from load_call_rows as c
where not c.inbound
order by c.i;

-- Half an hour each, on working days of the half year behind the clock and of the six weeks before it.
insert into appointments (id, org_id, contact_id, service_id, status, scheduled_at, created_at)
select
    pg_temp.uid(n.seed, 'appointment', n.i),
    o.org_id,
    t.id,
    pg_temp.uid(n.seed, 'service', n.k * 1000 + 1 + pg_temp.hash(n.seed, 40, n.i) % 10),
    case
        when n.scheduled_at >= n.clock then (array['pending', 'confirmed', 'confirmed', 'cancelled'])[1 + pg_temp.hash(n.seed, 41, n.i) % 4]
        else (array['completed', 'completed', 'completed', 'completed', 'cancelled', 'no_show', 'confirmed'])
            [1 + pg_temp.hash(n.seed, 41, n.i) % 7]
    end,
    n.scheduled_at,
    least(n.clock, n.scheduled_at) - make_interval(secs => 864000 * pg_temp.fraction(n.seed, 42, n.i))
from (
    select
        i,
        s.seed,
        s.clock,
        pg_temp.zipf(pg_temp.fraction(s.seed, 43, i), s.organizations) as k,
        date_trunc('day', s.clock, 'UTC') - interval '180 days'
            + make_interval(days => (222 * i / s.appointments)::integer, mins => (480 + 30 * (pg_temp.hash(s.seed, 44, i) % 20))::integer)
            as scheduled_at
    from load_settings as s, generate_series(1, s.appointments) as i
    offset 0
) as n
join load_counts as o using (k)
join load_contacts as t on t.k = n.k and t.j = 1 + pg_temp.hash(n.seed, 45, n.i) % o.contacts
order by n.i;

insert into messages (id, org_id, contact_id, method, purpose, content, created_at)
select
    pg_temp.uid(n.seed, 'message', n.i),
    o.org_id,
    t.id,
    (array['sms', 'sms', 'sms', 'email', 'email', 'whatsapp'])[1 + pg_temp.hash(n.seed, 50, n.i) % 6],
    n.purpose,
    'Dear contact ' || t.i::text || ', this is a ' || n.purpose || ' from us. Reply STOP to end these messages.',
    n.created_at
from (
    select
        i,
        s.seed,
        pg_temp.zipf(pg_temp.fraction(s.seed, 51, i), s.organizations) as k,
        (array['reminder', 'confirmation', 'follow-up'])[1 + pg_temp.hash(s.seed, 52, i) % 3] as purpose,
        s.clock - pg_temp.ago(s.seed, 53, i, s.messages) as created_at
    from load_settings as s, generate_series(1, s.messages) as i
    offset 0
) as n
join load_counts as o using (k)
join load_contacts as t on t.k = n.k and t.j = 1 + floor(o.contacts * power(pg_temp.fraction(n.seed, 54, n.i), 2))::bigint
order by n.i;

do $$
declare
    step record;
begin
    for step in select back from load_set_aside order by back loop
        execute step.back;
    end loop;
end
$$;

drop table load_set_aside, load_call_rows, load_calls, load_counts, load_contacts, load_agents, load_organizations, load_settings;

vacuum (analyze) organizations, users, agents, inbound_agent_config, services, contacts, call_logs, outbound_calls, appointments,
    messages;
