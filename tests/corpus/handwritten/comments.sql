-- expect: round-trip
-- setup: store.sql
comment on table orders is 'it''s "quoted" -- not a comment';
comment on column orders.note is null;
comment on index orders_status_idx is E'two\nlines';
comment on function touch() is 'trigger';
