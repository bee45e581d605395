/*---
title = "No row points into another organisation"
---*/
-- The foreign keys prove that the domain or the conversation exists, not that it belongs to the row's organisation.
select 'conversations' as table_name, c.id::text as row, 'its domain is another organisation''s' as fault
from conversations as c
join domains as d on d.id = c.domain_id
where d.org_id <> c.org_id
union all
select 'messages', m.id::text, 'its conversation is another organisation''s'
from messages as m
join conversations as c on c.id = m.conversation_id
where c.org_id <> m.org_id
order by table_name, row;
