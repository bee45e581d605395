-- expect: round-trip
-- setup: store.sql
create schema billing;
create table billing.accounts (id uuid primary key default gen_random_uuid(), owner bigint references public.customers (id));
create table billing.entries (
    id bigserial primary key,
    account uuid not null references billing.accounts (id),
    amount numeric not null check (amount <> 0)
);
create index on billing.entries (account);
grant usage on schema billing to public;
comment on schema billing is 'money';
