-- expect: round-trip
-- setup: store.sql
create table measures (sensor int not null, at date not null, value real, primary key (sensor, at)) partition by hash (sensor);
create table measures_0 partition of measures for values with (modulus 2, remainder 0);
create table measures_1 partition of measures for values with (modulus 2, remainder 1);
create index measures_at on measures (at);
