/*---
title = "Telemetry: partitions by time, and an archive by inheritance from older days"
unread = ["public.readings_sensor_value", "public.archive_2022_device"]
reads = ["select count(*) from events where tags @> array['a7']"]

[[expected]]
lint = "fk_without_index"
object = "public.readings (device_id)"
level = "important"
why = "told once, of the parent; devices are deleted"
[[expected]]
lint = "fk_without_index"
object = "public.alarms (reading_device, reading_at)"
level = "noted"
why = "few rows; the other index has the columns apart"
[[expected]]
lint = "index_unused"
object = "public.readings_sensor_value"
level = "noted"
why = "read on no partition"
[[expected]]
lint = "index_unused"
object = "public.archive_2022_device"
level = "noted"
why = "an heir has indexes of its own"
[[expected]]
lint = "index_invalid"
object = "public.readings_battery"
level = "important"
why = "made on the parent alone, attached nowhere"
[[expected]]
lint = "index_low_selectivity"
object = "public.readings_quality"
level = "routine"
why = "three values among 12,000 rows of all partitions"
[[expected]]
lint = "growth_threshold"
object = "public.events"
level = "important"
why = "thirteen million rows, not partitioned"
[[expected]]
lint = "partition_candidate"
object = "public.events"
level = "routine"
why = "its rows follow the time"
[[expected]]
lint = "growth_threshold"
object = "public.heartbeats"
level = "routine"
why = "10 million in three months"
[[expected]]
lint = "partition_candidate"
object = "public.heartbeats"
level = "routine"
why = "10 million within 180 days, and its rows follow the time"
[[expected]]
lint = "growth_threshold"
object = "public.device_state"
level = "routine"
why = "10 million in 330 days"
[[expected]]
lint = "integer_key_exhaustion"
object = "public.heartbeats.id"
level = "routine"
why = "an int at 60 %; its sequence is a bigint"
[[expected]]
lint = "integer_key_exhaustion"
object = "public.models.id"
level = "important"
why = "a smallint whose values end at 30,000"
[[expected]]
lint = "filtered_without_index"
object = "public.readings (batch)"
why = "told once, of the parent"
[[expected]]
lint = "query_share"
object = "query dashboard"
why = "most of the time"

[[allowed]]
lint = "index_unused"
object = "public.readings_battery"
why = "an invalid index is read by none"
[[allowed]]
lint = "growth_threshold"
object = "public.readings"
why = "60 million, but partitioned: the contract leaves it open"
[[allowed]]
lint = "filtered_without_index"
object = "public.readings (device_id)"
why = "the foreign key's check reads by it"
[[allowed]]
lint = "query_slow"
object = "query dashboard"
why = "above 100 ms where the machine is slow"

[[never]]
lint = "partition_candidate"
object = "public.readings"
why = "it is partitioned"
[[never]]
lint = "partition_candidate"
object = "public.device_state"
why = "its rows don't follow a time, and 10 million are far off"
[[never]]
lint = "growth_threshold"
object = "public.devices"
why = "a handful a day"
[[never]]
lint = "fk_without_index"
object = "public.archive_2022 (device_id)"
why = "foreign keys are not inherited, this one has none"
[[never]]
lint = "index_mostly_null"
object = "public.events_device"
why = "a third is NULL"
[[never]]
lint = "index_unused"
object = "public.readings_device_at"
why = "it was read on one partition"
[[never]]
lint = "index_prefix"
object = "public.events_at"
why = "BRIN beside a B-tree of the same column"

[[growth]]
table = "public.readings"
rows = 60_000_000
a_day = 200_000
column = "at"
[[growth]]
table = "public.events"
rows = 13_000_000
a_day = 20_000
column = "at"
[[growth]]
table = "public.heartbeats"
rows = 8_000_000
a_day = 22_000
column = "at"
[[growth]]
table = "public.device_state"
rows = 6_700_000
a_day = 10_000
column = ""
[[growth]]
table = "public.devices"
rows = 1_000_000
a_day = 40
column = ""
---*/
create table models (id smallint primary key, name text not null);
create table devices (
  id bigint generated always as identity primary key,
  model_id smallint not null references models,
  serial text not null unique
);
create index devices_model on devices (model_id);
create table readings (
  device_id bigint not null references devices on delete cascade,
  at timestamptz not null,
  sensor int not null,
  value float8 not null,
  quality text not null,
  batch text not null,
  battery int,
  primary key (at, device_id, sensor)
) partition by range (at);
create table readings_2025_1 partition of readings for values from ('2025-01-01') to ('2025-07-01');
create table readings_2025_2 partition of readings for values from ('2025-07-01') to ('2026-01-01');
create table readings_rest partition of readings default;
create table alarms (
  id bigint generated always as identity primary key,
  reading_device bigint not null,
  reading_at timestamptz not null,
  sensor int not null,
  text text
);
create table summaries (device_id bigint references devices on delete cascade, day timestamptz, primary key (device_id, day));
create table events (id bigint generated always as identity primary key, at timestamptz not null, device bigint, tags text[] not null);
create table heartbeats (id int primary key, at timestamptz not null, device bigint not null);
create sequence heartbeat_ids;
alter table heartbeats alter id set default nextval('heartbeat_ids');
create table device_state (device bigint primary key, changed_at timestamptz not null, state int not null);
create table archive (device_id bigint not null, at timestamptz not null, value float8 not null);
create table archive_2022 (check (at < '2023-01-01')) inherits (archive);
create table archive_2023 (check (at >= '2023-01-01')) inherits (archive);
insert into models select 29500 + i, 'model ' || i from generate_series(1, 500) i;
insert into devices (model_id, serial) select 29501 + i % 500, 'S' || i from generate_series(1, 1500) i;
insert into readings select 1 + i % 1200, timestamptz '2025-01-01' + interval '40 minutes' * i, i % 4, i, (array['good', 'good', 'bad', 'unknown'])[1 + i % 4],
  md5((i / 3)::text), i % 100 from generate_series(1, 12000) i;
insert into summaries select 1 + i % 1200, timestamptz '2025-01-01' + interval '1 day' * (i / 1200) from generate_series(0, 2399) i;
insert into alarms (reading_device, reading_at, sensor, text)
  select 1 + i, timestamptz '2025-01-01', 1, 'too hot' from generate_series(0, 699) i;
insert into events (at, device, tags)
  select now() - interval '600 days' * (1 - i / 3000.0), case when i % 3 > 0 then i end, array['a' || i % 9] from generate_series(1, 3000) i;
insert into heartbeats select i, now() - interval '360 days' * (1 - i / 3000.0), i % 1500 from generate_series(1, 3000) i;
select setval('heartbeat_ids', 1290000000);
insert into device_state select i, now() - interval '1 day' * (abs(hashint4(i)) % 700), i % 3 from generate_series(1, 1500) i;
insert into archive_2022 select 1 + i % 900, timestamptz '2022-01-01' + interval '3 hours' * i, i from generate_series(1, 2000) i;
insert into archive_2023 select 1 + i % 900, timestamptz '2023-01-01' + interval '3 hours' * i, i from generate_series(1, 2000) i;
create index readings_sensor_value on readings (sensor, value);
create index readings_quality on readings (quality);
create index readings_device_at on readings (sensor, device_id, at);
create index readings_battery on only readings (battery);
alter table alarms add foreign key (reading_device, reading_at) references summaries (device_id, day);
create index alarms_device on alarms (reading_device, sensor, reading_at);
create index events_at on events using brin (at);
create index events_at_btree on events (at);
create index events_device on events (device);
create index events_tags on events using gin (tags);
create index heartbeats_device on heartbeats (device, at);
create index archive_2022_device on archive_2022 (device_id);
create index archive_2023_device on archive_2023 (device_id);

-- workload: 5 gone
delete from devices where id = 1490 + :k;
-- workload: 150 upload
select device_id, sensor, value from readings where batch = md5(:k);
-- workload: 90 last_hours
select sensor, value from readings where device_id = 7 and sensor = 3 and at > timestamptz '2025-06-25' order by at limit 100;
-- workload: 6 dashboard
select count(*) from readings a join readings b on a.sensor = b.sensor and a.at < b.at where a.quality = 'bad' and a.at < '2025-03-01';
-- workload: 120 state
select state from device_state where device = :k;
