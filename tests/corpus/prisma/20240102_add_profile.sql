-- expect: round-trip
-- setup: shop.sql
-- AlterTable
ALTER TABLE "customers" ADD COLUMN     "avatarUrl" TEXT,
ADD COLUMN     "birthday" DATE;

-- CreateTable
CREATE TABLE "Profile" (
    "id" TEXT NOT NULL,
    "customerId" BIGINT NOT NULL,

    CONSTRAINT "Profile_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "Profile_customerId_key" ON "Profile"("customerId");

-- AddForeignKey
ALTER TABLE "Profile" ADD CONSTRAINT "Profile_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "customers"("id") ON DELETE CASCADE ON UPDATE CASCADE;
