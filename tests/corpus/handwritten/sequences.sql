-- expect: round-trip
-- setup: store.sql
create sequence if not exists invoice_no as integer minvalue 1000 start with 1000 cache 10;
alter sequence ticket_seq increment by 1 maxvalue 100000;
create table invoices (number integer default nextval('invoice_no') primary key);
alter sequence invoice_no owned by invoices.number;
