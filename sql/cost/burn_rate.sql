-- What image builders cost an hour as they are now: those that AWS bills, and the root volumes of all. Prices are those
-- of the newest day that running_cost and volume_cost know.
--
-- Grain: one row per image builder that is there now.
-- Key: arn
-- Not null: is_billed, is_priced
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   name: its name
--   owner: its owner, if its tags name one
--   state: its state
--   is_billed: whether AWS bills its instance in that state
--   instance_type: its instance type
--   usd_per_hour: what its instance costs an hour; 0 where it is not billed, null where no price is known
--   volume_usd_per_hour: what its root volume above 200 GB costs an hour; 0 where it has none, null where no price is known
--   is_priced: whether the price of all that it is billed for is known
--   observed_at: when it was seen
--   is_last_look_failed: whether the last look at its target failed, so that this tells of an earlier one

with instances as (
    select
        arn,
        instance_type,
        platform,
        max_by(usd_per_hour, cost_date) as usd_per_hour
    from running_cost
    where is_priced
    group by
        arn,
        instance_type,
        platform
),

volumes as (
    select
        arn,
        extra_volume_gb,
        max_by(usd_per_gb_month, cost_date) as usd_per_gb_month
    from volume_cost
    where is_priced
    group by
        arn,
        extra_volume_gb
),

rates as (
    select
        builders.account_id,
        builders.region,
        builders.arn,
        builders.name,
        owners.owner,
        builders.state,
        coalesce(states.is_billed, false) as is_billed,
        builders.instance_type,
        case
            when states.is_billed then instances.usd_per_hour
            else 0
        end as usd_per_hour,
        case
            when builders.root_volume_config_volume_size_in_gb > 200
                then volumes.usd_per_gb_month * volumes.extra_volume_gb / 730
            else 0
        end as volume_usd_per_hour,
        builders.observed_at,
        builders.is_last_look_failed
    from image_builders_current as builders
    left join image_builder_states as states
        on builders.state = states.state
    left join image_builder_owners as owners
        on builders.arn = owners.arn
    left join instances
        on
            builders.arn = instances.arn
            and builders.instance_type is not distinct from instances.instance_type
            and builders.platform is not distinct from instances.platform
    left join volumes
        on
            builders.arn = volumes.arn
            and builders.root_volume_config_volume_size_in_gb - 200 = volumes.extra_volume_gb
)

select
    account_id,
    region,
    arn,
    name,
    owner,
    state,
    is_billed,
    instance_type,
    usd_per_hour,
    volume_usd_per_hour,
    usd_per_hour is not null and volume_usd_per_hour is not null as is_priced,
    observed_at,
    is_last_look_failed
from rates
