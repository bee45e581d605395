-- The rehearsal schema: the application at revision 2792ed2d7978, before the change. To the letter what
-- `alembic upgrade 2792ed2d7978` makes.
--
-- The document prints neither columns nor existing indexes; those here are ours, after its names. It calls its indexes
-- critical, so nothing but primary keys and two unique constraints is here to spare its queries a scan: one conversation
-- for a contact and a line, and one membership for a contact and a campaign. Nothing says that a telephone number, an
-- address or an event's id is there once.

create table contact (
    id serial primary key,
    first_name varchar(100) not null,
    last_name varchar(100),
    email varchar(255),
    phone varchar(20),
    created_at timestamp not null
);

-- phone_number_id is OpenPhone's name for one of the company's own lines.
create table conversation (
    id serial primary key,
    contact_id integer not null references contact,
    phone_number_id varchar(50) not null,
    last_activity_at timestamp,
    constraint uq_conversation_contact_line unique (contact_id, phone_number_id)
);

-- Calls, messages, voicemails and notes. openphone_id is null for what was not made by OpenPhone.
create table activity (
    id serial primary key,
    openphone_id varchar(100),
    conversation_id integer references conversation,
    contact_id integer references contact,
    user_id varchar(50),
    activity_type varchar(20) not null,
    direction varchar(10),
    status varchar(20),
    body text,
    duration_seconds integer,
    created_at timestamp not null
);

-- What OpenPhone sent, as it came. It sends an event again when it gets no answer in time.
create table webhook_event (
    id serial primary key,
    event_id varchar(100) not null,
    event_type varchar(50) not null,
    payload text not null,
    processed boolean not null default false,
    processed_at timestamp,
    created_at timestamp not null
);

create table campaign (
    id serial primary key,
    name varchar(200) not null,
    status varchar(20) not null,
    created_at timestamp not null
);

create table campaign_membership (
    id serial primary key,
    campaign_id integer not null references campaign,
    contact_id integer not null references contact,
    status varchar(20) not null default 'pending',
    sent_at timestamp,
    constraint uq_campaign_membership_contact unique (campaign_id, contact_id)
);

create table contact_flag (
    id serial primary key,
    contact_id integer not null references contact,
    flag_type varchar(50) not null,
    reason text,
    created_at timestamp not null
);

create table appointment (
    id serial primary key,
    contact_id integer not null references contact,
    title varchar(200) not null,
    date date not null,
    time time not null
);

create table invoice (
    id serial primary key,
    contact_id integer not null references contact,
    amount numeric(10, 2) not null,
    status varchar(20) not null,
    due_date date not null
);

-- Alembic's own table: which revision the database is at.
create table alembic_version (
    version_num varchar(32) not null,
    constraint alembic_version_pkc primary key (version_num)
);
