-- expect: refused: does not exist
BEGIN;

UPDATE alembic_version SET version_num='348a94c904eb' WHERE alembic_version.version_num = '2792ed2d7978';

COMMIT;
