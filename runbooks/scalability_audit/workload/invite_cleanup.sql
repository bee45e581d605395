/*---
title = "The next five hundred invites to clean up: expired, and never accepted"
order = "expires_at, id"
harmless = ["now"]
weight = 3

[binds]
common = """
select max(i.created_at) as now
from invites as i
"""
rare = """
select min(i.expires_at) + interval '12 hours' as now
from invites as i
where i.accepted_at is null
"""
absent = """
select min(i.created_at) as now
from invites as i
"""
---*/
-- What the job reads before it deletes, a batch at a time; the deletion itself is tried by the check invite_cleanup.
select i.id, i.organization_id, i.expires_at
from invites as i
where i.accepted_at is null
    and i.expires_at < :'now'::timestamptz
order by i.expires_at, i.id
limit 500;
