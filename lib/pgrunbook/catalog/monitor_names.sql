-- What the ledger knows by name of some kinds; {schema} is the ledger's.
select w.id, w.kind, w.name, w.says, w.probes
from {schema}.watched w
where w.kind = any(%(kinds)s::text[])
order by w.id
