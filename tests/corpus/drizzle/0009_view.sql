-- expect: round-trip
-- setup: shop.sql
CREATE VIEW "public"."paid_orders" AS (select "id", "total" from "orders" where "state" = 'paid');--> statement-breakpoint
CREATE MATERIALIZED VIEW "public"."order_days" AS (select date_trunc('day', "placed_at") as day, count(*) as n from "orders" group by 1);
