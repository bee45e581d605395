-- expect: round-trip
-- setup: shop.sql
-- CreateTable
CREATE TABLE "_CustomersToProducts" (
    "A" BIGINT NOT NULL,
    "B" INTEGER NOT NULL,

    CONSTRAINT "_CustomersToProducts_AB_pkey" PRIMARY KEY ("A","B")
);

-- CreateIndex
CREATE INDEX "_CustomersToProducts_B_index" ON "_CustomersToProducts"("B");

-- AddForeignKey
ALTER TABLE "_CustomersToProducts" ADD CONSTRAINT "_CustomersToProducts_A_fkey" FOREIGN KEY ("A") REFERENCES "customers"("id") ON DELETE CASCADE ON UPDATE CASCADE;
