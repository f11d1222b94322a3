-- Since when and until when each target was looked at: how far knowledge goes. A target that nobody looks at any more
-- adds nothing to what it was known to have.
--
-- Grain: one row per account and region that was ever looked at.
-- Key: account_id, region
-- Not null: watched_until, watched_looks
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   watched_since: when the first successful look at it ended
--   seen_until: when the newest successful look at it ended that a snapshot keeps
--   watched_until: when the newest look at it ended, however it went
--   watched_looks: how many successful looks there were at it

select
    account_id,
    region,
    min(case when is_kept and status = 'ok' then observed_at end) as watched_since,
    max(case when is_kept and status = 'ok' then observed_at end) as seen_until,
    max(observed_at) as watched_until,
    cast(count(case when is_kept and status = 'ok' then 1 end) as integer) as watched_looks
from looks
group by
    account_id,
    region
