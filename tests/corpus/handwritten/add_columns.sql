-- expect: refused: rewrite
-- setup: store.sql
alter table orders
    add column shipped_at timestamptz,
    add column if not exists priority smallint not null default 3,
    add column token uuid default gen_random_uuid(),
    add column gross numeric generated always as (total * 1.19) stored;
