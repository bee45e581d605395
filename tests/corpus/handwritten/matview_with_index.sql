-- expect: round-trip
-- setup: store.sql
create materialized view by_day as select placed_on, count(*) as orders from orders group by placed_on with no data;
create unique index by_day_key on by_day (placed_on);
refresh materialized view by_day;
