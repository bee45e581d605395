-- expect: irreversible: enum
-- setup: shop.sql
alter type order_state add value if not exists 'returned' after 'sent';
