-- expect: round-trip
-- setup: shop.sql
comment on table orders is 'one row a purchase; it''s never deleted';
comment on column orders.note is null;
comment on index orders_customer_id_idx is 'for the customer''s page';
comment on constraint orders_customer_id_fkey on orders is 'never orphaned';
comment on type order_state is 'how far it has come';
comment on view open_orders is 'to be paid';
comment on sequence invoice_no is 'of the accountants';
