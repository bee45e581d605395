-- expect: irreversible: enum
-- setup: shop.sql
ALTER TYPE "public"."order_state" ADD VALUE 'lost';
