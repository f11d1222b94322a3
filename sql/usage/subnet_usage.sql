-- Which subnets image builders use, and which of them ran out of addresses.
--
-- Grain: one row per account, region and subnet that an image builder uses now.
-- Key: account_id, region, subnet_id
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   subnet_id: the subnet
--   builders: image builders that use it
--   running: of those, how many are in a billed state
--   exhausted: of those, how many have the error that a subnet has no free addresses
--   last_exhausted_at: when that error occurred last, to an image builder that used the subnet then

with exhaustions as (
    select
        subnets.account_id,
        subnets.region,
        subnets.subnet_id,
        max(errors.error_timestamp) as last_exhausted_at
    from image_builder_errors as errors
    join raw.image_builder_subnets as subnets
        on errors.snapshot_id = subnets.snapshot_id and errors.arn = subnets.arn
    where errors.error_code = 'SUBNET_HAS_INSUFFICIENT_IP_ADDRESSES'
    group by
        subnets.account_id,
        subnets.region,
        subnets.subnet_id
),

exhausted as (
    select distinct arn
    from image_builder_errors_current
    where error_code = 'SUBNET_HAS_INSUFFICIENT_IP_ADDRESSES'
),

used as (
    select
        subnets.account_id,
        subnets.region,
        subnets.subnet_id,
        count(distinct subnets.arn) as builders,
        count(distinct case when states.is_billed then subnets.arn end) as running,
        count(distinct exhausted.arn) as exhausted
    from image_builder_subnets_current as subnets
    join image_builders_current as builders
        on subnets.arn = builders.arn
    left join image_builder_states as states
        on builders.state = states.state
    left join exhausted
        on subnets.arn = exhausted.arn
    where subnets.subnet_id is not null
    group by
        subnets.account_id,
        subnets.region,
        subnets.subnet_id
)

select
    used.account_id,
    used.region,
    used.subnet_id,
    used.builders,
    used.running,
    used.exhausted,
    exhaustions.last_exhausted_at
from used
left join exhaustions
    on
        used.account_id = exhaustions.account_id
        and used.region = exhaustions.region
        and used.subnet_id = exhaustions.subnet_id
