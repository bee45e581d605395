-- expect: refused: COPY
-- setup: store.sql
copy products (sku, title) from stdin;
x	y
\.
