-- expect: round-trip
create table events (id bigint not null, at timestamptz not null, body jsonb) partition by range (at);
create table events_2026_01 partition of events for values from ('2026-01-01') to ('2026-02-01');
create table events_2026_02 partition of events for values from ('2026-02-01') to ('2026-03-01');
create index events_at on events (at);
alter table events add primary key (id, at);
