-- expect: round-trip
create schema billing;
create table billing.invoices (id bigserial primary key, no text not null unique, amount numeric not null);
create table billing.payments (id bigserial primary key, invoice_id bigint not null references billing.invoices (id), paid_at timestamptz default now());
create index on billing.payments (invoice_id);
create view billing.unpaid as select i.* from billing.invoices i left join billing.payments p on p.invoice_id = i.id where p.id is null;
