-- expect: round-trip
-- setup: store.sql
update orders set status = 'archived' where status = 'paid';
