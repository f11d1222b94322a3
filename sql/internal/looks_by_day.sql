-- How many looks the hours of a day rest on.
--
-- Grain: one row per account, region and UTC day on which a look succeeded.
-- Key: account_id, region, look_date
-- Not null: looks
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   look_date: the UTC day
--   looks: how many looks succeeded that day, those at some image builders too

select
    account_id,
    region,
    cast(observed_at at time zone 'UTC' as date) as look_date,
    cast(count(*) as integer) as looks
from looks
where status = 'ok'
group by
    account_id,
    region,
    cast(observed_at at time zone 'UTC' as date)
