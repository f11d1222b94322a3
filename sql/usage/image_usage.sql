-- Which images the builders were started from, and how old those are where the name tells, as AWS's base images do:
-- AppStream-WinServer2022-09-01-2026.
--
-- Grain: one row per image that a builder of now was started from.
-- Key: image_arn
-- Columns:
--   image_arn: the image
--   image_name: its name
--   image_date: the date that ends its name, month first; null where there is none
--   age_days: full days from that date to the newest look in the warehouse
--   builders: image builders that were started from it
--   running: of those, how many are in a billed state
--   accounts: accounts that have one of them
--   regions: regions that have one of them

with newest as (
    select max(observed_at) as look_at
    from looks
),

used as (
    select
        builders.image_arn,
        split_part(builders.image_arn, ':image/', 2) as image_name,
        regexp_extract(builders.image_arn, '([0-9]{2}-[0-9]{2}-[0-9]{4})$', 1) as dated,
        count(*) as builders,
        count(case when states.is_billed then 1 end) as running,
        count(distinct builders.account_id) as accounts,
        count(distinct builders.region) as regions
    from image_builders_current as builders
    left join image_builder_states as states
        on builders.state = states.state
    where builders.image_arn is not null
    group by builders.image_arn
),

dates as (
    select
        *,
        try_cast(concat(substr(dated, 7, 4), '-', substr(dated, 1, 2), '-', substr(dated, 4, 2)) as date) as image_date
    from used
)

select
    dates.image_arn,
    dates.image_name,
    dates.image_date,
    date_diff('day', dates.image_date, cast(newest.look_at at time zone 'UTC' as date)) as age_days,
    dates.builders,
    dates.running,
    dates.accounts,
    dates.regions
from dates
cross join newest
