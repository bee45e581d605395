-- expect: round-trip
-- setup: store.sql
alter table customers add column display text;
update customers set display = name where display is null;
update customers set display = email where display = '';
