-- expect: refused: twice
-- setup: shop.sql
create index orders_note on orders (note);
create index orders_note on orders (note);
