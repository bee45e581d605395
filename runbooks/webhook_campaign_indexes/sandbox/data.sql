-- The rehearsal data: half a year of calls, messages and webhooks of one company, 200,000 activities at scale 1.
--
--   export PGOPTIONS='-c pgrunbook.scale=1 -c pgrunbook.seed=42'
--   psql -X -v ON_ERROR_STOP=1 -d DATABASE -f schema.sql -f data.sql
--
-- The scale may be a fraction; the seed may be left out. Everything comes from hash functions of the seed
-- and a row's number, so that the same seed gives the same rows, on every server. The clock stands
-- at noon of the document's date, 2025-08-21, and 180 days lie behind it, denser towards their end.
-- One session, each statement on its own: the last one is a VACUUM, which no transaction takes.
--
-- Of a hundred contacts 97 have a telephone, and two of them the same as another one; of 500 webhooks one came twice.
-- At any scale there are 10 lines, 25 users and 40 campaigns.

-- What every statement below reads: the counts, the seed and the clock.
create temporary table load_settings as
select
    coalesce(nullif(current_setting('pgrunbook.seed', true), ''), '42')::bigint as seed,
    greatest(1000, round(50000 * scale))::integer as contacts,
    greatest(800, round(40000 * scale))::integer as conversations,
    greatest(4000, round(200000 * scale))::integer as activities,
    greatest(2000, round(100000 * scale))::integer as events,
    greatest(3000, round(150000 * scale))::integer as memberships,
    greatest(400, round(20000 * scale))::integer as flags,
    greatest(400, round(20000 * scale))::integer as appointments,
    greatest(400, round(20000 * scale))::integer as invoices,
    timestamp '2025-08-21 12:00:00' as clock
from (select current_setting('pgrunbook.scale')::numeric) as wanted (scale);

-- A number for a row: the salt keeps the columns of one row apart.
create function pg_temp.hash(seed bigint, salt integer, i bigint) returns bigint
language sql immutable
as $$ select hashint8extended(i, seed # (salt::bigint << 40)) & 9223372036854775807 $$;

-- The same as a fraction, 0 <= x < 1.
create function pg_temp.fraction(seed bigint, salt integer, i bigint) returns double precision
language sql immutable
as $$ select (hashint8extended(i, seed # (salt::bigint << 40)) & 9007199254740991)::double precision / 9007199254740992 $$;

-- 1 to n, where k comes about 1/k as often as 1: few busy ones, many quiet ones.
create function pg_temp.zipf(x double precision, n bigint) returns integer
language sql immutable
as $$ select least(n, floor(exp(x * ln(n + 1))))::integer $$;

-- Seconds before the clock at which the i-th of n came, the oldest first: the days near the end have more.
create function pg_temp.ago(seed bigint, salt integer, i bigint, n bigint) returns interval
language sql immutable
as $$ select make_interval(secs => round(60 + 15552000 * power((n - i + pg_temp.fraction(seed, salt, i)) / n, 1.5))) $$;

-- One in fifty telephones is the one of the contact before.
insert into contact (first_name, last_name, email, phone, created_at)
select
    (array['Mary', 'James', 'Linda', 'Robert', 'Susan', 'John', 'Karen', 'David', 'Nancy', 'Ana', 'Luis', 'Priya', 'Wei', 'Omar',
        'Fatima', 'Ivan', 'Yuki', 'Chloe', 'Liam', 'Zoe', 'Otis', 'Vera', 'Hank', 'Joan', 'Anna', 'Marcus', 'Joanna', 'Annika'])
        [pg_temp.zipf(pg_temp.fraction(s.seed, 1, i), 28)],
    case when pg_temp.hash(s.seed, 2, i) % 12 <> 0 then
        (array['Smith', 'Miller', 'Garcia', 'Lee', 'Brown', 'Millard', 'Olsen', 'Stone', 'Park', 'Reed'])
            [pg_temp.zipf(pg_temp.fraction(s.seed, 3, i), 10)]
        || (array['', '', 'son', '-Hill', 'ford', 'er', 'ley', 'man'])[1 + pg_temp.hash(s.seed, 4, i) % 8]
        || case when pg_temp.hash(s.seed, 5, i) % 3 = 0 then '' else ' ' || (pg_temp.hash(s.seed, 6, i) % 500)::text end
    end,
    case when pg_temp.hash(s.seed, 7, i) % 3 <> 0 then 'contact' || i::text || '@mail.example' end,
    case when pg_temp.hash(s.seed, 8, i) % 33 <> 0
        then '+1' || (2000000000 + ((i - (pg_temp.hash(s.seed, 9, i) % 50 = 0)::integer) * 7368787) % 7999999999)::text
    end,
    s.clock - pg_temp.ago(s.seed, 10, i, s.contacts)
from load_settings as s, generate_series(1, s.contacts::bigint) as i
order by i;

-- The contacts at the beginning have most to do with the company. A contact has one conversation a line.
insert into conversation (contact_id, phone_number_id, last_activity_at)
select distinct on (n.contact, n.line)
    n.contact,
    'PN' || substr(md5('line ' || n.line::text), 1, 10),
    s.clock - pg_temp.ago(s.seed, 20, n.i, s.conversations)
from load_settings as s
cross join lateral (
    select
        i,
        1 + floor(s.contacts * power(pg_temp.fraction(s.seed, 21, i), 1.3))::integer as contact,
        pg_temp.zipf(pg_temp.fraction(s.seed, 22, i), 10) as line
    from generate_series(1, s.conversations::bigint) as i
) as n
order by n.contact, n.line, n.i desc;

-- Four in five were made by OpenPhone; the others were written down by people.
insert into activity (
    openphone_id, conversation_id, contact_id, user_id, activity_type, direction, status, body, duration_seconds, created_at
)
select
    case when n.type not in ('note', 'email') then 'AC' || md5(s.seed::text || ' activity ' || n.i::text) end,
    case when n.type <> 'email' then c.id end,
    c.contact_id,
    case when n.direction = 'outgoing' or n.type = 'note' then
        'US' || substr(md5('user ' || pg_temp.zipf(pg_temp.fraction(s.seed, 31, n.i), 25)::text), 1, 10)
    end,
    n.type,
    n.direction,
    case n.type when 'call' then (array['completed', 'completed', 'missed'])[1 + pg_temp.hash(s.seed, 32, n.i) % 3] else 'delivered' end,
    case when n.type <> 'call' then 'About the estimate ' || n.i::text || ', and when somebody could come to look at the roof.' end,
    case when n.type = 'call' then (10 + 600 * power(pg_temp.fraction(s.seed, 33, n.i), 2))::integer end,
    s.clock - pg_temp.ago(s.seed, 34, n.i, s.activities)
from load_settings as s
cross join (select count(*) as conversations, max(id) as last from conversation) as k
cross join lateral (
    select
        i,
        1 + floor(k.last * power(pg_temp.fraction(s.seed, 35, i), 2))::integer as conversation,
        case
            when pg_temp.fraction(s.seed, 36, i) < 0.55 then 'message'
            when pg_temp.fraction(s.seed, 36, i) < 0.78 then 'call'
            when pg_temp.fraction(s.seed, 36, i) < 0.80 then 'voicemail'
            when pg_temp.fraction(s.seed, 36, i) < 0.92 then 'email'
            else 'note'
        end as type,
        case when pg_temp.hash(s.seed, 37, i) % 5 < 2 then 'incoming' else 'outgoing' end as direction
    from generate_series(1, s.activities::bigint) as i
) as n
join conversation as c on c.id = n.conversation
order by n.i;

-- The newest five in a thousand wait for their turn; one in five hundred came a second time, some seconds later.
insert into webhook_event (event_id, event_type, payload, processed, processed_at, created_at)
select
    'EV' || md5(s.seed::text || ' event ' || (n.i - n.again)::text),
    n.type,
    '{"object":{"type":"' || n.type || '","id":"AC' || md5(s.seed::text || ' activity ' || n.i::text) || '"},"apiVersion":"v3"}',
    n.processed,
    case when n.processed then n.at + interval '2 seconds' end,
    n.at
from load_settings as s
cross join lateral (
    select
        i,
        (pg_temp.hash(s.seed, 40, i) % 500 = 0 and i > 1)::integer as again,
        (array['message.received', 'message.delivered', 'call.completed', 'call.recording.completed'])
            [1 + pg_temp.hash(s.seed, 41, i) % 4] as type,
        i <= s.events * 0.995 and pg_temp.hash(s.seed, 42, i) % 5000 <> 0 as processed,
        s.clock - pg_temp.ago(s.seed, 43, i, s.events) as at
    from generate_series(1, s.events::bigint) as i
) as n
order by n.i;

-- The newest three campaigns are under way, the one before is a draft.
insert into campaign (name, status, created_at)
select
    'Campaign ' || i::text,
    case when i > 37 then 'running' when i = 37 then 'draft' else 'complete' end,
    s.clock - make_interval(days => (4 * (40 - i))::integer, hours => 3)
from load_settings as s, generate_series(1, 40) as i
order by i;

-- Campaigns of different size. What runs is sent for some hours now; the rest is pending.
insert into campaign_membership (campaign_id, contact_id, status, sent_at)
select
    n.campaign,
    n.contact,
    n.status,
    case when n.status <> 'pending' then
        g.created_at + make_interval(
            secs => round(least(250000, extract(epoch from s.clock - g.created_at)) * pg_temp.fraction(s.seed, 50, n.i)::numeric)
        )
    end
from load_settings as s
cross join lateral (
    select distinct on (m.campaign, m.contact)
        m.*,
        case
            when m.campaign = 37 or (m.campaign > 37 and pg_temp.hash(s.seed, 51, m.i) % 100 < 60) then 'pending'
            when pg_temp.hash(s.seed, 52, m.i) % 100 < 82 then 'sent'
            when pg_temp.hash(s.seed, 52, m.i) % 100 < 96 then 'replied'
            else 'failed'
        end as status
    from (
        select
            i,
            41 - pg_temp.zipf(pg_temp.fraction(s.seed, 53, i), 40) as campaign,
            1 + (pg_temp.hash(s.seed, 54, i) % s.contacts)::integer as contact
        from generate_series(1, s.memberships::bigint) as i
    ) as m
    order by m.campaign, m.contact, m.i
) as n
join campaign as g on g.id = n.campaign
order by n.i;

insert into contact_flag (contact_id, flag_type, reason, created_at)
select
    1 + (pg_temp.hash(s.seed, 60, i) % s.contacts)::integer,
    case
        when pg_temp.hash(s.seed, 61, i) % 100 < 15 then 'opted_out'
        when pg_temp.hash(s.seed, 61, i) % 100 < 60 then 'office_number'
        else 'recently_texted'
    end,
    case when pg_temp.hash(s.seed, 61, i) % 100 < 15 then 'Received STOP' end,
    s.clock - pg_temp.ago(s.seed, 62, i, s.flags)
from load_settings as s, generate_series(1, s.flags::bigint) as i
order by i;

insert into appointment (contact_id, title, date, time)
select
    1 + (pg_temp.hash(s.seed, 70, i) % s.contacts)::integer,
    (array['Roof inspection', 'Estimate', 'Follow-up', 'Final walk-through'])[1 + pg_temp.hash(s.seed, 71, i) % 4],
    s.clock::date - 180 + (222 * i / s.appointments)::integer,
    time '08:00' + make_interval(mins => (30 * (pg_temp.hash(s.seed, 72, i) % 18))::integer)
from load_settings as s, generate_series(1, s.appointments::bigint) as i
order by i;

-- Most are paid; of what is open, half is due already.
insert into invoice (contact_id, amount, status, due_date)
select
    1 + (pg_temp.hash(s.seed, 80, i) % s.contacts)::integer,
    50 + (pg_temp.hash(s.seed, 81, i) % 500000)::numeric / 100,
    case
        when i < s.invoices * 0.9 and pg_temp.hash(s.seed, 82, i) % 100 < 97 then 'paid'
        when pg_temp.hash(s.seed, 83, i) % 10 = 0 then 'draft'
        else 'unpaid'
    end,
    s.clock::date - 180 + (200 * i / s.invoices)::integer
from load_settings as s, generate_series(1, s.invoices::bigint) as i
order by i;

insert into alembic_version (version_num) values ('2792ed2d7978');

drop table load_settings;

vacuum (analyze) contact, conversation, activity, webhook_event, campaign, campaign_membership, contact_flag, appointment, invoice,
    alembic_version;
