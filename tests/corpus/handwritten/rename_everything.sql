-- expect: round-trip
-- setup: store.sql
alter index orders_status_idx rename to orders_by_status;
alter table orders rename constraint total_positive to orders_total_not_negative;
alter view open_orders rename to orders_open;
alter sequence ticket_seq rename to tickets;
alter function full_price(integer) rename to price_of;
alter trigger orders_touch on orders rename to orders_touched;
alter policy own_row on customers rename to own_customer;
alter type mood rename to feeling;
alter schema archive rename to attic;
