-- expect: round-trip
-- setup: shop.sql
begin;
create type channel as enum ('web', 'shop', 'phone');
create table visits (id bigserial primary key, customer_id bigint references customers on delete cascade, channel channel not null default 'web', at timestamptz not null default now());
create index visits_customer on visits (customer_id, at desc);
create function visits_of(bigint) returns bigint language sql stable as $$ select count(*) from visits where customer_id = $1 $$;
create view recent_visits as select * from visits where at > now() - interval '7 days';
comment on view recent_visits is 'a week';
alter table visits enable row level security;
create policy visits_own on visits using (customer_id is not null);
grant select on visits to corpus_reader;
alter table customers add column last_visit timestamptz;
commit;
