/*---
title = "VACUUM ANALYZE: every table of the eighteen indexes has been analysed and vacuumed, and autovacuum looks after it"
gates = false
harmless = true
---*/
-- Of PostgreSQL alone: a SQLite file has neither autovacuum nor a record of when it was vacuumed.
-- What was not is told table by table. In this runbook the end of migrate.sql does it once; regularly it is autovacuum's work.
select w.table_name,
    case
        when s.relid is null then 'is not there'
        when pg_catalog.current_setting('autovacuum') <> 'on' then 'autovacuum is off'
        when 'autovacuum_enabled=false' = any (c.reloptions) then 'autovacuum is off for it'
        when coalesce(s.last_analyze, s.last_autoanalyze) is null then 'was never analysed'
        when coalesce(s.last_vacuum, s.last_autovacuum) is null then 'was never vacuumed'
    end as fault
from (
    values
        ('contact'), ('conversation'), ('activity'), ('webhook_event'), ('campaign_membership'), ('contact_flag'), ('appointment'),
        ('invoice')
) as w (table_name)
left join pg_catalog.pg_stat_user_tables as s on s.relid = pg_catalog.to_regclass(w.table_name)
left join pg_catalog.pg_class as c on c.oid = s.relid
where s.relid is null
    or pg_catalog.current_setting('autovacuum') <> 'on'
    or 'autovacuum_enabled=false' = any (c.reloptions)
    or coalesce(s.last_analyze, s.last_autoanalyze) is null
    or coalesce(s.last_vacuum, s.last_autovacuum) is null
order by w.table_name;
