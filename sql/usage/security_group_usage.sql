-- Which security groups image builders use, and how exposed those are.
--
-- Grain: one row per account, region and security group that an image builder uses now.
-- Key: account_id, region, security_group_id
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   security_group_id: the security group
--   builders: image builders that use it
--   running: of those, how many are in a billed state
--   default_internet_access: of those, how many reach the internet by AppStream's own network
--   imdsv1_allowed: of those, how many let instance metadata answer IMDSv1

select
    security_groups.account_id,
    security_groups.region,
    security_groups.security_group_id,
    count(distinct security_groups.arn) as builders,
    count(distinct case when states.is_billed then security_groups.arn end) as running,
    count(distinct case when builders.is_default_internet_access_enabled then security_groups.arn end)
        as default_internet_access,
    count(distinct case when not builders.is_imdsv1_disabled then security_groups.arn end) as imdsv1_allowed
from image_builder_security_groups_current as security_groups
join image_builders_current as builders
    on security_groups.arn = builders.arn
left join image_builder_states as states
    on builders.state = states.state
where security_groups.security_group_id is not null
group by
    security_groups.account_id,
    security_groups.region,
    security_groups.security_group_id
