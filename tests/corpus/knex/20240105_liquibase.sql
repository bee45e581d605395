-- expect: round-trip
-- setup: shop.sql
--liquibase formatted sql
--changeset nvoxland:1
create table test1 (
    id int primary key,
    name varchar(255)
);
--rollback drop table test1;
--changeset nvoxland:2
alter table orders add column changed_by varchar(64);
--rollback alter table orders drop column changed_by;
