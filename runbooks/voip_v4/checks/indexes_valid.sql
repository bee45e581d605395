/*---
title = "Each of the ten indexes is there, on its table, and valid"
---*/
-- By state, not by name: a build that failed leaves an index which writes pay for and no query reads.
select w.index_name, w.table_name,
    case
        when x.indexrelid is null then 'missing, or on another table'
        when not x.indisvalid then 'invalid'
        else 'not ready'
    end as fault
from (
    values
        ('calls_assigned_to_idx', 'calls'),
        ('calls_from_number_org_idx', 'calls'),
        ('calls_to_number_org_idx', 'calls'),
        ('calls_direction_created_at_idx', 'calls'),
        ('calls_answered_at_idx', 'calls'),
        ('calls_ended_at_idx', 'calls'),
        ('contacts_phone_idx', 'contacts'),
        ('contacts_org_phone_idx', 'contacts'),
        ('sms_conversations_contact_phone_idx', 'sms_conversations'),
        ('voip_users_full_name_idx', 'voip_users')
) as w (index_name, table_name)
left join pg_catalog.pg_index as x
    on x.indexrelid = pg_catalog.to_regclass(w.index_name) and x.indrelid = pg_catalog.to_regclass(w.table_name)
where (x.indisvalid and x.indisready and x.indislive) is not true
order by w.index_name;
