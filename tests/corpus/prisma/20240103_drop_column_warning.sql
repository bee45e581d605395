-- expect: irreversible: column
-- setup: shop.sql
/*
  Warnings:

  - You are about to drop the column `note` on the `orders` table. All the data in the column will be lost.

*/
-- AlterTable
ALTER TABLE "orders" DROP COLUMN "note";
