-- expect: round-trip
-- setup: store.sql
create index on orders (customer_id, placed_on desc nulls last);
create index if not exists customers_profile on customers using gin (profile jsonb_path_ops);
create index customers_tags on customers using gin (tags);
create unique index concurrently customers_lower_email on customers (lower(email));
create index orders_big on orders (total) include (note) where total > 100;
create index products_hash on products using hash (title);
create index events_at_brin on events using brin (at);
create index orders_expr on orders ((total * 2), (coalesce(note, '')));
