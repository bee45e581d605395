-- expect: irreversible: adds rows
-- setup: shop.sql
INSERT INTO customers (email, name) VALUES ('axel@example.org', 'Axel');
INSERT INTO customers (email, name) VALUES ('boo@example.org', 'Mr. Foo');
