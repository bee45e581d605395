-- The rehearsal data: fifty organisations with a year of calls and messages at scale 1, ten times that at scale 10.
--
--   export PGOPTIONS='-c pgrunbook.scale=1 -c pgrunbook.seed=42'
--   psql -X -v ON_ERROR_STOP=1 -d DATABASE -f schema.sql -f data.sql
--
-- The scale may be a fraction; the seed may be left out. Everything comes from hash functions of the seed
-- and a row's number, so that the same seed gives the same rows, on every server. The clock stands
-- at noon of the document's date, 2025-10-24, and the year lies behind it, denser towards its end.
-- One session, each statement on its own: the last one is a VACUUM, which no transaction takes.

-- What every statement below reads: the counts, the seed and the clock.
create temporary table load_settings as
select
    coalesce(nullif(current_setting('pgrunbook.seed', true), ''), '42')::bigint as seed,
    greatest(3, round(50 * scale))::integer as organizations,
    greatest(400, round(200000 * scale))::bigint as calls,
    greatest(100, round(50000 * scale))::bigint as contacts,
    greatest(40, round(20000 * scale))::bigint as conversations,
    greatest(400, round(200000 * scale))::bigint as messages,
    timestamptz '2025-10-24 12:00:00+00' as clock
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

-- 1 to n, where the first ones come more often, but none as often as under zipf().
create function pg_temp.skewed(x double precision, n bigint) returns integer
language sql immutable
as $$ select 1 + floor(n * x * x)::integer $$;

create function pg_temp.uid(seed bigint, kind text, i bigint) returns uuid
language sql immutable
as $$ select md5(seed::text || ' ' || kind || ' ' || i::text)::uuid $$;

-- The telephone number of the person that organisation k knows as j; no two of one organisation are alike.
-- Every twentieth is someone whom other organisations know as well, a courier or a nuisance.
create function pg_temp.phone(seed bigint, k integer, j bigint) returns text
language sql immutable
as $$ select '+1' || overlay((2000000 + (
    case when j % 20 = 0 then j / 20 * 3710627 else j * 3710627 end
    + pg_temp.hash(seed, 1, case when j % 20 = 0 then 0 else k end) % 6000000
) % 6000000)::text placing '555' from 4 for 0) $$;

create function pg_temp.message_body(seed bigint, i bigint) returns text
language sql immutable
as $$ select (array[
    'Hi, is my order ready to be picked up?',
    'Yes, any time until six.',
    'Thank you!',
    'Can we move Tuesday''s appointment to the afternoon? I am held up until two.',
    'Sure. Half past three would do.',
    'Please call me back when you have a minute.',
    'On my way.',
    'The invoice is attached. Payment is due within thirty days; tell us if anything about it looks wrong to you.',
    'Got it, thanks.',
    'Who is this?',
    'This is a reminder of your appointment tomorrow. Reply C to confirm, or call us to find another time.',
    'C'
])[1 + pg_temp.hash(seed, 2, i) % 12] $$;

-- Foreign keys and secondary indexes are set aside and made again, as they were, when the rows are in: half the time.
create temporary table load_set_aside as
select
    1 as turn,
    format('drop index %s', x.indexrelid::regclass) as away,
    pg_get_indexdef(x.indexrelid) as back
from pg_index as x
where x.indrelid in ('calls'::regclass, 'sms_conversations'::regclass) and not x.indisprimary
union all
select
    2,
    format('alter table %s drop constraint %I', k.conrelid::regclass, k.conname),
    format('alter table %s add constraint %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
from pg_constraint as k
where k.contype = 'f' and k.confrelid in ('organizations'::regclass, 'voip_users'::regclass, 'calls'::regclass, 'contacts'::regclass,
    'sms_conversations'::regclass, 'sms_messages'::regclass);

do $$
declare
    step record;
begin
    for step in select away from load_set_aside order by turn desc, away loop
        execute step.away;
    end loop;
end
$$;

-- Organisation 1 is the busiest. The last twentieth has signed up and not begun.
insert into organizations (id, name, phone_number, timezone, created_at)
select
    pg_temp.uid(s.seed, 'organization', k),
    (array['Harbor', 'Summit', 'Cedar', 'Union', 'Prairie', 'Granite', 'Lakeside', 'Beacon'])[1 + pg_temp.hash(s.seed, 3, k) % 8]
        || ' ' || (array['Dental', 'Plumbing', 'Legal', 'Realty', 'Logistics', 'Insurance', 'Motors'])[1 + pg_temp.hash(s.seed, 4, k) % 7]
        || ' ' || k::text,
    '+1888555' || lpad(k::text, 4, '0'),
    (array['America/New_York', 'America/Chicago', 'America/Denver', 'America/Los_Angeles'])[1 + pg_temp.hash(s.seed, 5, k) % 4],
    s.clock - make_interval(secs => 31536000 * (1 + pg_temp.fraction(s.seed, 6, k)))
from load_settings as s, generate_series(1, s.organizations) as k
order by k;

create temporary table load_organizations as
select
    k,
    pg_temp.uid(s.seed, 'organization', k) as id,
    '+1888555' || lpad(k::text, 4, '0') as phone_number,
    3 + 40 / k as users,
    s.organizations - ceil(s.organizations * 0.05)::integer as active_organizations
from load_settings as s, generate_series(1, s.organizations) as k;

create temporary table load_users as
select o.k, u.j, pg_temp.uid(s.seed, 'user', o.k * 1000 + u.j) as id
from load_settings as s, load_organizations as o, generate_series(1, o.users) as u (j);

insert into voip_users (id, organization_id, email, role, is_available, created_at, updated_at)
select
    u.id,
    o.id,
    'agent' || u.j::text || '@org' || u.k::text || '.example',
    case when u.j = 1 then 'admin' else 'agent' end,
    pg_temp.fraction(s.seed, 7, u.k * 1000 + u.j) < 0.7,
    s.clock - interval '8760 hours',
    s.clock
from load_settings as s, load_users as u join load_organizations as o using (k)
order by u.k, u.j;

-- One in fifty shares the number of the one before: colleagues, or the same person twice. One in thirty has none.
create temporary table load_contacts as
select
    c.i,
    c.k,
    c.j,
    pg_temp.uid(s.seed, 'contact', c.i) as id,
    case
        when pg_temp.hash(s.seed, 9, c.i) % 30 = 0 then null
        when pg_temp.hash(s.seed, 10, c.i) % 50 = 0 and c.j > 1 then pg_temp.phone(s.seed, c.k, c.j - 1)
        else pg_temp.phone(s.seed, c.k, c.j)
    end as phone
from
    load_settings as s,
    (
        select i, k, row_number() over (partition by k order by i) as j
        from (
            select i, pg_temp.zipf(pg_temp.fraction(s.seed, 8, i), s.organizations) as k
            from load_settings as s, generate_series(1, s.contacts) as i
        ) as placed
    ) as c;

analyze load_contacts;

alter table load_organizations add column contacts bigint not null default 0;

update load_organizations as o
set contacts = n.contacts
from (select k, count(*) as contacts from load_contacts group by k) as n
where n.k = o.k;

analyze load_organizations, load_users;

insert into contacts (id, organization_id, first_name, last_name, phone, email, company, notes, created_at, updated_at)
select
    c.id,
    o.id,
    c.first_name,
    c.last_name,
    c.phone,
    lower(c.first_name || '.' || c.last_name) || c.i::text || '@mail.example',
    case when pg_temp.fraction(s.seed, 13, c.i) < 0.3 then c.last_name || ' & Sons' end,
    case when pg_temp.fraction(s.seed, 14, c.i) < 0.2 then 'Prefers to be called in the morning.' end,
    c.created_at,
    c.created_at
from
    load_settings as s,
    (
        select
            k.*,
            (array[
                'Ada', 'Ben', 'Carla', 'Dev', 'Elena', 'Farid', 'Grace', 'Hugo', 'Iris', 'Jonas',
                'Keiko', 'Liam', 'Mara', 'Nils', 'Olga', 'Pavel', 'Quinn', 'Rosa', 'Sven', 'Tara'
            ])[1 + pg_temp.hash(s.seed, 11, k.i) % 20] as first_name,
            (array[
                'Abbott', 'Baker', 'Castillo', 'Doyle', 'Eriksen', 'Fischer', 'Garcia', 'Huang', 'Ibrahim', 'Jensen',
                'Kowalski', 'Lopez', 'Moreau', 'Novak', 'Okafor', 'Patel', 'Reyes', 'Sato', 'Turner', 'Weiss'
            ])[1 + pg_temp.hash(s.seed, 12, k.i) % 20] as last_name,
            s.clock - make_interval(secs => 31536000 * (1.0 - k.i::double precision / (s.contacts + 1))) as created_at
        from load_settings as s, load_contacts as k
    ) as c
    join load_organizations as o using (k)
order by c.i;

-- Calls, the oldest first, as an application would have written them. The newest ring, the next ones are
-- talked on; of the rest some were never answered, and some never got the callback that ends them.
-- (offset 0: what one step has computed, the next ones use and do not compute again.)
insert into calls (id, organization_id, twilio_call_sid, direction, from_number, to_number, status, assigned_to, answered_by_user_id,
    duration_seconds, recording_url, created_at, answered_at, ended_at, updated_at)
with placed as (
    select
        s.seed,
        s.clock,
        i,
        case
            when s.calls - i < 5 + s.calls / 40000 then 'ringing'
            when s.calls - i < 15 + s.calls / 8000 then 'talking'
            else 'past'
        end as phase,
        case
            when i = s.calls then s.clock
            when s.calls - i < 5 + s.calls / 40000 then s.clock - make_interval(secs => 3.7 * (s.calls - i))
            else s.clock - make_interval(secs => 25 + 31536000
                * power((s.calls - i + pg_temp.fraction(s.seed, 20, i)) / s.calls, 1.3))
        end as created_at,
        pg_temp.zipf(pg_temp.fraction(s.seed, 21, i), o.active_organizations) as k,
        pg_temp.fraction(s.seed, 22, i) as direction_draw,
        pg_temp.fraction(s.seed, 23, i) as outcome_draw,
        pg_temp.fraction(s.seed, 24, i) as user_draw
    from load_settings as s
    join load_organizations as o on o.k = 1,
    generate_series(1, s.calls) as i
    offset 0
),
decided as (
    select
        p.*,
        o.id as organization_id,
        o.phone_number,
        case when p.phase = 'ringing' or p.direction_draw < 0.6 then 'inbound' else 'outbound' end as direction,
        case
            when p.phase = 'ringing' then 'ringing'
            when p.phase = 'talking' or p.outcome_draw < 0.003 then 'in-progress'
            when p.outcome_draw < case when p.direction_draw < 0.6 then 0.68 else 0.6 end then 'completed'
            when p.outcome_draw < 0.9 then 'no-answer'
            when p.outcome_draw < 0.95 then 'busy'
            when p.outcome_draw < 0.98 then 'canceled'
            else 'failed'
        end as status,
        -- A quarter of the numbers are in nobody's contacts; they come back as well.
        pg_temp.phone(p.seed, p.k, case when pg_temp.fraction(p.seed, 25, p.i) < 0.75
            then pg_temp.skewed(pg_temp.fraction(p.seed, 26, p.i), o.contacts)
            else o.contacts + pg_temp.skewed(pg_temp.fraction(p.seed, 26, p.i), o.contacts)
        end) as other_number,
        u.id as user_id
    from placed as p
    join load_organizations as o on o.k = p.k
    join load_users as u on u.k = p.k and u.j = pg_temp.zipf(p.user_draw, o.users)
    offset 0
),
timed as (
    select
        d.*,
        case when d.status in ('in-progress', 'completed')
            then least(d.clock, d.created_at + make_interval(secs => 3 + 20 * pg_temp.fraction(d.seed, 27, d.i)))
        end as answered_at
    from decided as d
    offset 0
),
ended as (
    select
        t.*,
        case
            when t.status in ('ringing', 'in-progress') then null
            when t.status = 'completed' then
                least(t.clock, t.answered_at + make_interval(secs => least(3600, 5 - 180 * ln(1 - pg_temp.fraction(t.seed, 28, t.i)))))
            else least(t.clock, t.created_at + make_interval(secs => 1 + 29 * pg_temp.fraction(t.seed, 28, t.i)))
        end as ended_at
    from timed as t
    offset 0
)
select
    pg_temp.uid(e.seed, 'call', e.i),
    e.organization_id,
    'CA' || md5(e.seed::text || ' call sid ' || e.i::text),
    e.direction,
    case when e.direction = 'inbound' then e.other_number else e.phone_number end,
    case when e.direction = 'inbound' then e.phone_number else e.other_number end,
    e.status,
    case when e.direction = 'outbound' or e.answered_at is not null or (e.phase = 'past' and e.outcome_draw > 0.92) then e.user_id end,
    case when e.direction = 'inbound' and e.answered_at is not null then e.user_id end,
    extract(epoch from e.ended_at - e.answered_at)::integer,
    case when e.status = 'completed' and pg_temp.fraction(e.seed, 29, e.i) < 0.4
        then 'recordings/RE' || md5(e.seed::text || ' recording ' || e.i::text)
    end,
    e.created_at,
    e.answered_at,
    e.ended_at,
    coalesce(e.ended_at, e.answered_at, e.created_at)
from ended as e
order by e.i;

analyze calls;

-- The counters say what the calls say; day, week, month and year are those of the clock, in UTC.
update voip_users as u
set
    inbound_calls_daily = n.inbound_daily,
    inbound_calls_weekly = n.inbound_weekly,
    inbound_calls_monthly = n.inbound_monthly,
    inbound_calls_yearly = n.inbound_yearly,
    outbound_calls_daily = n.outbound_daily,
    outbound_calls_weekly = n.outbound_weekly,
    outbound_calls_monthly = n.outbound_monthly,
    outbound_calls_yearly = n.outbound_yearly,
    total_calls_daily = n.inbound_daily + n.outbound_daily,
    total_calls_weekly = n.inbound_weekly + n.outbound_weekly,
    total_calls_monthly = n.inbound_monthly + n.outbound_monthly,
    total_calls_yearly = n.inbound_yearly + n.outbound_yearly
from (
    select
        c.assigned_to,
        count(*) filter (where c.direction = 'inbound' and c.created_at >= date_trunc('day', s.clock, 'UTC')) as inbound_daily,
        count(*) filter (where c.direction = 'inbound' and c.created_at >= date_trunc('week', s.clock, 'UTC')) as inbound_weekly,
        count(*) filter (where c.direction = 'inbound' and c.created_at >= date_trunc('month', s.clock, 'UTC')) as inbound_monthly,
        count(*) filter (where c.direction = 'inbound' and c.created_at >= date_trunc('year', s.clock, 'UTC')) as inbound_yearly,
        count(*) filter (where c.direction = 'outbound' and c.created_at >= date_trunc('day', s.clock, 'UTC')) as outbound_daily,
        count(*) filter (where c.direction = 'outbound' and c.created_at >= date_trunc('week', s.clock, 'UTC')) as outbound_weekly,
        count(*) filter (where c.direction = 'outbound' and c.created_at >= date_trunc('month', s.clock, 'UTC')) as outbound_monthly,
        count(*) filter (where c.direction = 'outbound' and c.created_at >= date_trunc('year', s.clock, 'UTC')) as outbound_yearly
    from load_settings as s, calls as c
    group by c.assigned_to
) as n
where u.id = n.assigned_to;

-- The newest calls are the active ones. One that is old and still "in progress" lost its callback, and its row here.
insert into active_calls (id, organization_id, call_id, twilio_call_sid, agent_id, status, started_at, updated_at)
select
    md5(c.id::text || ' active')::uuid,
    c.organization_id,
    c.id,
    c.twilio_call_sid,
    c.assigned_to,
    case when c.status = 'ringing' then 'ringing' else 'connected' end,
    c.created_at,
    c.updated_at
from load_settings as s, calls as c
where c.status in ('ringing', 'in-progress')
    and c.id in (
        select pg_temp.uid(s.seed, 'call', i)
        from load_settings as s, generate_series(s.calls - 14 - s.calls / 8000, s.calls) as i
    )
order by c.created_at, c.id;

-- The application throws claims away after a week, and ring events after two.
insert into call_claims (twilio_call_sid, organization_id, claimed_by, claimed_at)
select c.twilio_call_sid, c.organization_id, c.answered_by_user_id, c.answered_at
from load_settings as s, calls as c
where c.answered_by_user_id is not null and c.created_at >= s.clock - interval '168 hours'
order by c.answered_at, c.id;

-- Three telephones ring for an inbound call, those of the organisation's first agents, and with them that of whoever answers.
insert into ring_events (organization_id, call_id, agent_id, event_type, created_at)
with rung as (
    select c.organization_id, c.id as call_id, u.id as agent_id, u.j, c.created_at as rang_at,
        coalesce(c.answered_at, c.ended_at) as stopped_at, c.answered_by_user_id
    from load_settings as s
    join calls as c on c.direction = 'inbound' and c.created_at >= s.clock - interval '336 hours'
    join load_organizations as o on o.id = c.organization_id
    join load_users as u on u.k = o.k
    where u.j <= 3 or u.id = c.answered_by_user_id
)
select r.organization_id, r.call_id, r.agent_id, e.event_type, e.created_at
from rung as r
cross join lateral (
    values
        ('ring', r.rang_at),
        (case when r.agent_id = r.answered_by_user_id then 'answer' else 'cancel' end, r.stopped_at)
) as e (event_type, created_at)
where e.created_at is not null
order by e.created_at, r.call_id, r.j, e.event_type;

-- Conversation i of all is number j of its organisation; every seventh is with a number that is in no contact.
-- Message i of the first ones is the last of conversation i, which so has one at least.
create temporary table load_conversations as
select
    n.i,
    n.k,
    n.organization_id,
    n.phone_number,
    pg_temp.uid(s.seed, 'conversation', n.i) as id,
    pg_temp.phone(s.seed, n.k, n.person) as contact_phone_number,
    c.id as contact_id,
    s.clock - make_interval(secs => 60 + 31536000 * power(pg_temp.fraction(s.seed, 41, n.i), 3)) as last_message_at,
    -- How long it has gone on: seconds to some months.
    5000000 * power(pg_temp.fraction(s.seed, 42, n.i), 2) as lasted
from load_settings as s
cross join lateral (
    select
        m.*,
        o.id as organization_id,
        o.phone_number,
        case
            when m.j % 7 = 0 then o.contacts + m.j
            when m.j > o.contacts then 3000000 + m.j
            else m.j
        end as person
    from (
        select i, k, row_number() over (partition by k order by i) as j
        from (
            select i, pg_temp.zipf(pg_temp.fraction(s.seed, 40, i), o.active_organizations) as k
            from load_organizations as o, generate_series(1, s.conversations) as i
            where o.k = 1
        ) as placed
    ) as m
    join load_organizations as o on o.k = m.k
) as n
left join load_contacts as c on c.k = n.k and c.j = n.person and c.phone = pg_temp.phone(s.seed, n.k, n.person);

analyze load_conversations;

create temporary table load_messages as
select
    m.i,
    v.i as conversation,
    case when m.i <= s.conversations then v.last_message_at
        else v.last_message_at - make_interval(secs => 1 + v.lasted * pg_temp.fraction(s.seed, 44, m.i))
    end as created_at,
    case when pg_temp.fraction(s.seed, 45, m.i) < 0.45 then 'inbound' else 'outbound' end as direction
from load_settings as s
cross join lateral (
    select
        i,
        case when i <= s.conversations then i
            else 1 + floor(s.conversations * power(pg_temp.fraction(s.seed, 43, i), 1.7))::bigint
        end as conversation
    from generate_series(1, s.messages) as i
) as m
join load_conversations as v on v.i = m.conversation;

insert into sms_conversations (id, organization_id, contact_id, contact_phone_number, last_message_at, last_message_preview, unread_count,
    created_at, updated_at)
select
    v.id,
    v.organization_id,
    v.contact_id,
    v.contact_phone_number,
    v.last_message_at,
    left(pg_temp.message_body(s.seed, v.i), 80),
    case when m.direction = 'inbound' and pg_temp.fraction(s.seed, 46, v.i) < 0.3 then 1 else 0 end,
    v.last_message_at - make_interval(secs => 2 + v.lasted),
    v.last_message_at
from load_settings as s, load_conversations as v join load_messages as m on m.i = v.i
order by v.last_message_at - make_interval(secs => 2 + v.lasted), v.i;

insert into sms_messages (id, organization_id, conversation_id, twilio_message_sid, direction, from_number, to_number, body, media_count,
    status, sent_by, created_at)
select
    pg_temp.uid(s.seed, 'message', m.i),
    v.organization_id,
    v.id,
    'SM' || md5(s.seed::text || ' message sid ' || m.i::text),
    m.direction,
    case when m.direction = 'inbound' then v.contact_phone_number else v.phone_number end,
    case when m.direction = 'inbound' then v.phone_number else v.contact_phone_number end,
    pg_temp.message_body(s.seed, m.i),
    case when pg_temp.fraction(s.seed, 47, m.i) < 0.03 then 1 else 0 end,
    case
        when m.direction = 'inbound' then 'received'
        when pg_temp.fraction(s.seed, 48, m.i) < 0.97 then 'delivered'
        when pg_temp.fraction(s.seed, 48, m.i) < 0.99 then 'undelivered'
        else 'failed'
    end,
    case when m.direction = 'outbound' then u.id end,
    m.created_at
from load_settings as s
cross join load_messages as m
join load_conversations as v on v.i = m.conversation
join load_organizations as o on o.k = v.k
join load_users as u on u.k = v.k and u.j = pg_temp.zipf(pg_temp.fraction(s.seed, 49, m.i), o.users)
order by m.created_at, m.i;

-- Delivery reports are kept for a month.
insert into sms_message_events (message_id, event_type, error_code, created_at)
select m.id, e.event_type, case when e.event_type in ('undelivered', 'failed') then 30003 end, m.created_at + e.delay
from load_settings as s
join sms_messages as m on m.direction = 'outbound' and m.created_at >= s.clock - interval '720 hours'
cross join lateral (
    values
        ('queued', interval '0 seconds'),
        ('sent', interval '1 second'),
        (m.status, interval '3 seconds')
) as e (event_type, delay)
order by m.created_at + e.delay, m.id;

do $$
declare
    step record;
begin
    for step in select back from load_set_aside order by turn, back loop
        execute step.back;
    end loop;
end
$$;

drop table load_set_aside, load_messages, load_conversations, load_contacts, load_users, load_organizations, load_settings;

vacuum (analyze) organizations, voip_users, calls, contacts, active_calls, call_claims, ring_events,
    sms_conversations, sms_messages, sms_message_events;
