-- expect: round-trip
-- setup: store.sql
drop trigger if exists orders_touch on orders;
create trigger orders_touch before insert or update of total on orders for each row
    when (new.total > 10) execute function touch();
create trigger products_touch after delete on products for each statement execute procedure touch();
