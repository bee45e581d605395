-- expect: round-trip
-- setup: store.sql
drop sequence ticket_seq;
