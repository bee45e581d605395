-- expect: irreversible: rows
-- setup: shop.sql
-- DropForeignKey
ALTER TABLE "order_items" DROP CONSTRAINT "order_items_product_id_fkey";

-- DropTable
DROP TABLE "order_items";
