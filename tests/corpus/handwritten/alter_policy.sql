-- expect: round-trip
-- setup: store.sql
alter policy own_row on customers using (email = (select current_setting('app.email', true)));
