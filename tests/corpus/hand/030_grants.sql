-- expect: round-trip
-- setup: shop.sql
grant select on orders, customers to corpus_reader;
grant insert, update (note) on orders to corpus_writer;
revoke all on products from public;
grant usage on sequence invoice_no to corpus_writer;
