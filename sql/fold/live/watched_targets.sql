-- What the looks say that are folded, and those since.

select
    coalesce(now.account_id, before.account_id) as account_id,
    coalesce(now.region, before.region) as region,
    coalesce(before.watched_since, now.watched_since) as watched_since,
    coalesce(now.seen_until, before.seen_until) as seen_until,
    coalesce(now.watched_until, before.watched_until) as watched_until,
    coalesce(now.watched_looks, 0) + coalesce(before.looks, 0) as watched_looks
from since.watched_targets as now
full join folded.open_targets as before
    on now.account_id = before.account_id and now.region = before.region
