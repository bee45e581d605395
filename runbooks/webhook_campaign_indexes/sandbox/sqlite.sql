-- The rehearsal database for SQLite: the tables of schema.sql as Alembic makes them there, and rows like those of data.sql.
-- The same counts, the same clock (noon of 2025-08-21), not the same rows: SQLite has other functions. No row is chance.
--
--   sqlite3 webhook.db ".parameter set :scale 1" ".read sqlite.sql"

create table contact (
    id integer not null,
    first_name varchar(100) not null,
    last_name varchar(100),
    email varchar(255),
    phone varchar(20),
    created_at datetime not null,
    primary key (id)
);

create table conversation (
    id integer not null,
    contact_id integer not null,
    phone_number_id varchar(50) not null,
    last_activity_at datetime,
    primary key (id),
    constraint uq_conversation_contact_line unique (contact_id, phone_number_id),
    foreign key(contact_id) references contact (id)
);

create table activity (
    id integer not null,
    openphone_id varchar(100),
    conversation_id integer,
    contact_id integer,
    user_id varchar(50),
    activity_type varchar(20) not null,
    direction varchar(10),
    status varchar(20),
    body text,
    duration_seconds integer,
    created_at datetime not null,
    primary key (id),
    foreign key(conversation_id) references conversation (id),
    foreign key(contact_id) references contact (id)
);

create table webhook_event (
    id integer not null,
    event_id varchar(100) not null,
    event_type varchar(50) not null,
    payload text not null,
    processed boolean default 0 not null,
    processed_at datetime,
    created_at datetime not null,
    primary key (id)
);

create table campaign (
    id integer not null,
    name varchar(200) not null,
    status varchar(20) not null,
    created_at datetime not null,
    primary key (id)
);

create table campaign_membership (
    id integer not null,
    campaign_id integer not null,
    contact_id integer not null,
    status varchar(20) default 'pending' not null,
    sent_at datetime,
    primary key (id),
    constraint uq_campaign_membership_contact unique (campaign_id, contact_id),
    foreign key(campaign_id) references campaign (id),
    foreign key(contact_id) references contact (id)
);

create table contact_flag (
    id integer not null,
    contact_id integer not null,
    flag_type varchar(50) not null,
    reason text,
    created_at datetime not null,
    primary key (id),
    foreign key(contact_id) references contact (id)
);

create table appointment (
    id integer not null,
    contact_id integer not null,
    title varchar(200) not null,
    date date not null,
    time time not null,
    primary key (id),
    foreign key(contact_id) references contact (id)
);

create table invoice (
    id integer not null,
    contact_id integer not null,
    amount numeric(10, 2) not null,
    status varchar(20) not null,
    due_date date not null,
    primary key (id),
    foreign key(contact_id) references contact (id)
);

create table alembic_version (
    version_num varchar(32) not null,
    constraint alembic_version_pkc primary key (version_num)
);

-- Six fractions a number, 0 <= x < 1, by multipliers without a common pattern; the row of table t is number i.
create temporary table load_numbers as
with recursive counted (i) as (
    select 1
    union all
    select i + 1 from counted where i < max(4000, round(200000 * :scale))
)
select
    i,
    (i * 2654435761 % 4294967296) / 4294967296.0 as a,
    (i * 2246822519 % 4294967296) / 4294967296.0 as b,
    (i * 3266489917 % 4294967296) / 4294967296.0 as c,
    (i * 668265263 % 4294967296) / 4294967296.0 as d,
    (i * 374761393 % 4294967296) / 4294967296.0 as e,
    (i * 1274126177 % 4294967296) / 4294967296.0 as f
from counted;

create temporary table load_words (kind text, n integer, word text);

insert into load_words
values
    ('first', 0, 'Mary'), ('first', 1, 'James'), ('first', 2, 'Linda'), ('first', 3, 'Robert'), ('first', 4, 'Susan'),
    ('first', 5, 'Joanna'), ('first', 6, 'Annika'), ('first', 7, 'Otis'), ('last', 0, 'Smith'), ('last', 1, 'Miller'),
    ('last', 2, 'Garcia'), ('last', 3, 'Lee'), ('last', 4, 'Brown'), ('last', 5, 'Millard'), ('last', 6, 'Olsen'),
    ('last', 7, 'Reed'), ('end', 0, ''), ('end', 1, 'son'), ('end', 2, '-Hill'), ('end', 3, 'ford'), ('title', 0, 'Roof inspection'),
    ('title', 1, 'Estimate'), ('title', 2, 'Follow-up'), ('title', 3, 'Final walk-through'), ('event', 0, 'message.received'),
    ('event', 1, 'message.delivered'), ('event', 2, 'call.completed'), ('event', 3, 'call.recording.completed');

insert into contact (id, first_name, last_name, email, phone, created_at)
select
    r.i,
    f.word,
    case when r.i % 12 <> 0 then l.word || e.word || case when r.i % 3 = 0 then '' else ' ' || cast(500 * r.e as integer) end end,
    case when r.i % 3 <> 0 then 'contact' || r.i || '@mail.example' end,
    case when r.i % 33 <> 0 then '+1' || (2000000000 + (r.i - (r.i % 50 = 0)) * 7368787 % 7999999999) end,
    strftime('%Y-%m-%d %H:%M:%S.000000', '2025-08-21 12:00:00', '-' || cast(60 + 15552000 * r.f * r.f as integer) || ' seconds')
from load_numbers as r
join load_words as f on f.kind = 'first' and f.n = cast(8 * r.a * r.a as integer)
join load_words as l on l.kind = 'last' and l.n = cast(8 * r.b * r.b as integer)
join load_words as e on e.kind = 'end' and e.n = cast(4 * r.c as integer)
where r.i <= max(1000, round(50000 * :scale));

insert into conversation (contact_id, phone_number_id, last_activity_at)
select
    n.contact,
    n.line,
    strftime('%Y-%m-%d %H:%M:%S.000000', '2025-08-21 12:00:00', '-' || cast(60 + 15552000 * min(n.f) as integer) || ' seconds')
from (
    select
        1 + cast(max(1000, round(50000 * :scale)) * r.a * r.b as integer) as contact,
        'PN' || printf('%010d', 1 + cast(10 * r.c * r.c as integer)) as line,
        r.f
    from load_numbers as r
    where r.i <= max(800, round(40000 * :scale))
) as n
group by n.contact, n.line;

insert into activity (
    id, openphone_id, conversation_id, contact_id, user_id, activity_type, direction, status, body, duration_seconds, created_at
)
select
    n.i,
    case when n.type not in ('note', 'email') then 'AC' || printf('%016x', n.i * 2654435761) end,
    case when n.type <> 'email' then v.id end,
    v.contact_id,
    case when n.direction = 'outgoing' or n.type = 'note' then 'US' || printf('%010d', 1 + cast(25 * n.c * n.c as integer)) end,
    n.type,
    n.direction,
    case when n.type <> 'call' then 'delivered' when n.i % 3 = 0 then 'missed' else 'completed' end,
    case when n.type <> 'call' then 'About the estimate ' || n.i || ', and when somebody could come to look at the roof.' end,
    case when n.type = 'call' then cast(10 + 600 * n.d * n.d as integer) end,
    strftime('%Y-%m-%d %H:%M:%S.000000', '2025-08-21 12:00:00', '-' || cast(60 + 15552000 * n.left * n.left as integer) || ' seconds')
from (
    select
        r.*,
        1.0 - r.i / (1.0 + max(4000, round(200000 * :scale))) as left,
        case
            when r.a < 0.55 then 'message'
            when r.a < 0.78 then 'call'
            when r.a < 0.80 then 'voicemail'
            when r.a < 0.92 then 'email'
            else 'note'
        end as type,
        case when r.b < 0.4 then 'incoming' else 'outgoing' end as direction
    from load_numbers as r
    where r.i <= max(4000, round(200000 * :scale))
) as n
join conversation as v on v.id = 1 + cast((select count(*) from conversation) * n.e * n.e as integer);

-- The newest five in a thousand wait for their turn; one in five hundred came a second time.
insert into webhook_event (id, event_id, event_type, payload, processed, processed_at, created_at)
select
    n.i,
    'EV' || printf('%016x', (n.i - (n.i % 500 = 0)) * 2246822519),
    w.word,
    '{"object":{"type":"' || w.word || '","id":"AC' || printf('%016x', n.i * 2654435761) || '"},"apiVersion":"v3"}',
    n.processed,
    case when n.processed then n.at end,
    n.at
from (
    select
        r.*,
        r.i <= 0.995 * max(2000, round(100000 * :scale)) and r.i % 5000 <> 7 as processed,
        strftime(
            '%Y-%m-%d %H:%M:%S.000000', '2025-08-21 12:00:00',
            '-' || cast(60 + 15552000 * (1.0 - r.i / (1.0 + max(2000, round(100000 * :scale)))) as integer) || ' seconds'
        ) as at
    from load_numbers as r
    where r.i <= max(2000, round(100000 * :scale))
) as n
join load_words as w on w.kind = 'event' and w.n = cast(4 * n.a as integer);

insert into campaign (id, name, status, created_at)
select
    r.i,
    'Campaign ' || r.i,
    case when r.i > 37 then 'running' when r.i = 37 then 'draft' else 'complete' end,
    strftime('%Y-%m-%d %H:%M:%S.000000', '2025-08-21 09:00:00', '-' || (4 * (40 - r.i)) || ' days')
from load_numbers as r
where r.i <= 40;

insert into campaign_membership (campaign_id, contact_id, status, sent_at)
select
    n.campaign,
    n.contact,
    n.status,
    case when n.status <> 'pending' then
        strftime(
            '%Y-%m-%d %H:%M:%S.000000', g.created_at,
            '+' || cast(n.e * min(250000, 86400 * (julianday('2025-08-21 12:00:00') - julianday(g.created_at))) as integer) || ' seconds'
        )
    end
from (
    select
        m.*,
        case
            when m.campaign = 37 or (m.campaign > 37 and m.d < 0.6) then 'pending'
            when m.f < 0.82 then 'sent'
            when m.f < 0.96 then 'replied'
            else 'failed'
        end as status
    from (
        select
            r.i,
            40 - cast(40 * r.a * r.a * r.a as integer) as campaign,
            1 + cast(max(1000, round(50000 * :scale)) * r.b as integer) as contact,
            r.d, r.e, r.f
        from load_numbers as r
        where r.i <= max(3000, round(150000 * :scale))
    ) as m
    group by m.campaign, m.contact
    having m.i = min(m.i)
) as n
join campaign as g on g.id = n.campaign
order by n.i;

insert into contact_flag (contact_id, flag_type, reason, created_at)
select
    1 + cast(max(1000, round(50000 * :scale)) * r.a as integer),
    case when r.b < 0.15 then 'opted_out' when r.b < 0.6 then 'office_number' else 'recently_texted' end,
    case when r.b < 0.15 then 'Received STOP' end,
    strftime('%Y-%m-%d %H:%M:%S.000000', '2025-08-21 12:00:00', '-' || cast(60 + 15552000 * r.f as integer) || ' seconds')
from load_numbers as r
where r.i <= max(400, round(20000 * :scale));

insert into appointment (contact_id, title, date, time)
select
    1 + cast(max(1000, round(50000 * :scale)) * r.a as integer),
    w.word,
    date('2025-08-21', (cast(222 * r.i / max(400, round(20000 * :scale)) as integer) - 180) || ' days'),
    printf('%02d:%02d:00.000000', 8 + cast(18 * r.c as integer) / 2, 30 * (cast(18 * r.c as integer) % 2))
from load_numbers as r
join load_words as w on w.kind = 'title' and w.n = cast(4 * r.b as integer)
where r.i <= max(400, round(20000 * :scale));

insert into invoice (contact_id, amount, status, due_date)
select
    1 + cast(max(1000, round(50000 * :scale)) * r.a as integer),
    50 + cast(500000 * r.b as integer) / 100.0,
    case
        when r.i < 0.9 * max(400, round(20000 * :scale)) and r.c < 0.97 then 'paid'
        when r.d < 0.1 then 'draft'
        else 'unpaid'
    end,
    date('2025-08-21', (cast(200 * r.i / max(400, round(20000 * :scale)) as integer) - 180) || ' days')
from load_numbers as r
where r.i <= max(400, round(20000 * :scale));

insert into alembic_version (version_num) values ('2792ed2d7978');

drop table load_words;

drop table load_numbers;

analyze;
