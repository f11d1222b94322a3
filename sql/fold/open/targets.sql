-- Of each target: how many looks are folded of each kind, when the newest of them ended, and the newest moment that any
-- row of it tells, before which nothing can be told any more.

with counted as (
    select
        account_id,
        region,
        max(look_no) as looks,
        max(tags_no) as tags_looks,
        max(complete_no) as completes,
        max(case when is_complete then observed_at end) as last_complete_at
    from live.look_numbers
    group by
        account_id,
        region
),

moments as (
    select
        account_id,
        region,
        max(last_at) as last_at
    from made.moments
    group by
        account_id,
        region
)

select
    watched.account_id,
    watched.region,
    watched.watched_since,
    watched.seen_until,
    watched.watched_until,
    coalesce(counted.looks, before.looks, 0) as looks,
    coalesce(counted.tags_looks, before.tags_looks, 0) as tags_looks,
    coalesce(counted.completes, before.completes, 0) as completes,
    coalesce(counted.last_complete_at, before.last_complete_at) as last_complete_at,
    coalesce(moments.last_at, before.last_at) as last_at
from live.watched_targets as watched
left join folded.open_targets as before
    on watched.account_id = before.account_id and watched.region = before.region
left join counted
    on watched.account_id = counted.account_id and watched.region = counted.region
left join moments
    on watched.account_id = moments.account_id and watched.region = moments.region
