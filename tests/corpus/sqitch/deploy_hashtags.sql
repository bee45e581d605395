-- expect: round-trip
-- setup: shop.sql
BEGIN;
CREATE TABLE hashtags (order_id bigint NOT NULL, hashtag text NOT NULL, PRIMARY KEY (order_id, hashtag));
ALTER TABLE hashtags ADD FOREIGN KEY (order_id) REFERENCES orders (id);
ALTER TABLE hashtags ADD CHECK (hashtag LIKE '#%');
ALTER TABLE hashtags ADD UNIQUE (hashtag);
COMMIT;
