/*---
title = "Invalid metadata is rejected in both tables, valid metadata is not"
writes = true
after_rollback = false # it tries what the migration brings
---*/
create temporary table probe_metadata on commit drop as
select c.id as conversation, c.domain_id as domain, d.org_id as org
from conversations as c
join domains as d on d.id = c.domain_id
order by c.id
limit 1;

create temporary table probe_metadata_faults (fault text) on commit drop;

do $$
declare
    p record;
    tried record;
    rejected boolean;
begin
    select * into p from probe_metadata;
    if not found then
        insert into probe_metadata_faults values ('nothing to try it with: there is no conversation');
        return;
    end if;
    for tried in
        select *
        from (
            values
                ('conversations', '["an", "array"]', true),
                ('conversations', '"a string"', true),
                ('conversations', '42', true),
                ('conversations', 'null', true),
                ('conversations', '{"language": 7}', true),
                ('conversations', '{"language": "en", "page": "/"}', false),
                ('conversations', '{}', false),
                ('conversations', null, false),
                ('messages', '["an", "array"]', true),
                ('messages', 'true', true),
                ('messages', 'null', true),
                ('messages', '{"tokens": "many"}', true),
                ('messages', '{"tokens": 12, "model": "assistant-2"}', false),
                ('messages', '{}', false),
                ('messages', null, false)
        ) as t (table_name, metadata, invalid)
    loop
        begin
            if tried.table_name = 'conversations' then
                insert into conversations (domain_id, org_id, session_id, metadata)
                values (p.domain, p.org, 'probe-metadata', tried.metadata::jsonb);
            else
                insert into messages (conversation_id, org_id, role, content, metadata)
                values (p.conversation, p.org, 'user', 'probe-metadata', tried.metadata::jsonb);
            end if;
            rejected := false;
        exception when check_violation then
            rejected := true;
        end;
        if rejected <> tried.invalid then
            insert into probe_metadata_faults
            values (tried.table_name || case when rejected then ' rejects ' else ' accepts ' end || coalesce(tried.metadata, 'no metadata'));
        end if;
    end loop;
end
$$;

select f.fault
from probe_metadata_faults as f
order by f.fault;
