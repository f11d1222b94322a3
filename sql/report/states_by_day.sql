-- Image builders by state
--
-- At the end of each day (UTC), the last as far as it has come. A look that failed changes nothing.

with newest as (
    select max(observed_at) as look_at
    from looks
),

days as (
    select
        unnest(
            generate_series(
                greatest(cast(min(looks.observed_at) as date), cast(max(newest.look_at) as date) - $days),
                cast(max(newest.look_at) as date),
                interval 1 day
            )
        ) as day
    from looks
    cross join newest
)

select
    cast(days.day as date) as day,
    history.state,
    count(*) as builders
from days
join image_builder_history as history
    on
        history.valid_from < cast(days.day as timestamptz) + interval 1 day
        and (history.valid_to is null or history.valid_to >= cast(days.day as timestamptz) + interval 1 day)
join coverage
    on
        history.account_id = coverage.account_id
        and history.region = coverage.region
        and days.day <= cast(coverage.last_look_at as date)
group by all
order by all
