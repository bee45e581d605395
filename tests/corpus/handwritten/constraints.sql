-- expect: round-trip
-- setup: store.sql
alter table orders add constraint note_short check (length(note) < 1000);
alter table products add constraint title_once unique (title);
alter table order_lines add constraint quantity_sane check (quantity between 0 and 1000) not valid;
alter table order_lines validate constraint quantity_sane;
