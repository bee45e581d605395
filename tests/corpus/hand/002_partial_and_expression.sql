-- expect: round-trip
-- setup: shop.sql
create index idx_orders_unpaid on orders (placed_at desc) where state = 'new';
create index idx_customers_lower_email on customers (lower(email));
create index idx_products_tags on products using gin (tags);
create index idx_products_meta on products using gin (meta jsonb_path_ops);
create index idx_orders_placed_brin on orders using brin (placed_at);
create index idx_customers_hash on customers using hash (email);
