-- What to look into: every image builder as it is now, held against every rule (finding_rules). What AWS does not tell
-- is unknown, never a pass; so is a duration whose bounds lie on both sides of the threshold. A list that AWS leaves
-- out is an empty one.
--
-- Grain: one row per image builder and rule.
-- Key: arn, rule
-- Not null: status, evidence
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   name: its name
--   owner: its owner, if its tags name one
--   rule: the rule's name
--   title: what a failure means
--   status: pass, fail or unknown
--   severity: how bad a failure is: low, medium or high
--   evidence: what the status was read from
--   threshold: the rule's threshold, if it has one
--   unit: the threshold's unit
--   source: who says that it matters
--   observed_at: when the image builder was seen
--   is_last_look_failed: whether the last look at its target failed, so that this tells of an earlier one

-- A stretch of image_builder_spans ends where the instance type, the platform or the volume is told otherwise, for that
-- is another price. Here it is one for as long as the image builder is in its condition.
with parts as (
    select
        *,
        case
            when
                lag(condition) over builder = condition
                and lag(ended_before) over builder = first_seen_at
                and lag(last_seen_at) over builder = started_after
                then 0
            else 1
        end as is_new
    from image_builder_spans
    window builder as (
        partition by arn
        order by first_seen_at
    )
),

numbered as (
    select
        *,
        sum(is_new) over (
            partition by arn
            order by first_seen_at
            rows between unbounded preceding and current row
        ) as stretch
    from parts
),

bounds as (
    select
        arn,
        max(condition) as condition,
        max(case when is_open then 1 else 0 end) as is_open,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        max(case when is_new = 1 then started_after end) as started_after,
        max(case when is_open then started_after end) as last_started_after,
        max(case when is_open then hours_high end) as last_hours_high
    from numbered
    group by
        arn,
        stretch
),

stretches as (
    select
        arn,
        condition,
        cast(
            date_diff('second', date_trunc('second', first_seen_at), date_trunc('second', last_seen_at)) as double
        ) / 3600 as hours_low,
        cast(
            date_diff('second', date_trunc('second', started_after), date_trunc('second', last_started_after)) as double
        ) / 3600 + last_hours_high as hours_high
    from bounds
    where is_open = 1
),

endpoints as (
    select
        arn,
        count(*) as endpoints
    from image_builder_access_endpoints_current
    group by arn
),

errors as (
    select
        arn,
        count(*) as errors,
        min(error_code) as error_code
    from image_builder_errors_current
    group by arn
),

facts as (
    select
        builders.account_id,
        builders.region,
        builders.arn,
        builders.name,
        owners.owner,
        builders.state,
        states.is_billed,
        builders.is_default_internet_access_enabled,
        builders.is_imdsv1_disabled,
        builders.iam_role_arn,
        builders.appstream_agent_version,
        builders.latest_appstream_agent_version,
        builders.agent_access_config_user_control_mode,
        builders.agent_access_config_screenshots_upload_enabled,
        builders.observed_at,
        builders.is_last_look_failed,
        stretches.hours_low,
        stretches.hours_high,
        coalesce(endpoints.endpoints, 0) as endpoints,
        coalesce(errors.errors, 0) as errors,
        errors.error_code
    from image_builders_current as builders
    left join image_builder_states as states
        on builders.state = states.state
    left join stretches
        on
            builders.arn = stretches.arn
            and stretches.condition = case when states.is_billed then 'BILLED' else builders.state end
    left join endpoints
        on builders.arn = endpoints.arn
    left join errors
        on builders.arn = errors.arn
    left join image_builder_owners as owners
        on builders.arn = owners.arn
)

select
    facts.account_id,
    facts.region,
    facts.arn,
    facts.name,
    facts.owner,
    rules.rule,
    rules.title,
    case rules.rule
        when 'running_too_long'
            then case
                when facts.state is null then 'unknown'
                when facts.is_billed is null then 'unknown'
                when not facts.is_billed then 'pass'
                when facts.hours_low >= rules.threshold then 'fail'
                when facts.hours_high < rules.threshold then 'pass'
                else 'unknown'
            end
        when 'default_internet_access'
            then case facts.is_default_internet_access_enabled
                when true then 'fail'
                when false then 'pass'
                else 'unknown'
            end
        when 'imdsv1_allowed'
            then case facts.is_imdsv1_disabled
                when true then 'pass'
                when false then 'fail'
                else 'unknown'
            end
        when 'no_vpc_endpoint' then case when facts.endpoints > 0 then 'pass' else 'fail' end
        when 'iam_role_attached' then case when facts.iam_role_arn is null then 'unknown' else 'fail' end
        when 'agent_not_latest'
            then case facts.latest_appstream_agent_version
                when 'TRUE' then 'pass'
                when 'FALSE' then 'fail'
                else 'unknown'
            end
        when 'errors_present'
            then case
                when facts.errors = 0 then 'pass'
                when facts.state is null then 'unknown'
                when facts.state = 'FAILED' then 'pass'
                else 'fail'
            end
        when 'failed'
            then case
                when facts.state is null then 'unknown'
                when facts.state = 'FAILED' then 'fail'
                else 'pass'
            end
        when 'stopped_long'
            then case
                when facts.state is null then 'unknown'
                when facts.state <> 'STOPPED' then 'pass'
                when facts.hours_low >= rules.threshold * 24 then 'fail'
                when facts.hours_high < rules.threshold * 24 then 'pass'
                else 'unknown'
            end
        when 'agent_access_open'
            then case
                when facts.agent_access_config_user_control_mode is null then 'unknown'
                when facts.agent_access_config_user_control_mode = 'DISABLED' then 'pass'
                else 'fail'
            end
        when 'agent_screenshots'
            then case facts.agent_access_config_screenshots_upload_enabled
                when true then 'fail'
                when false then 'pass'
                else 'unknown'
            end
    end as status,
    rules.severity,
    case rules.rule
        when 'running_too_long'
            then concat(
                coalesce(facts.state, 'no state'),
                ', ',
                coalesce(cast(cast(floor(facts.hours_low) as bigint) as varchar), '?'),
                ' to ',
                coalesce(cast(cast(floor(facts.hours_high) as bigint) as varchar), '?'),
                ' hours'
            )
        when 'default_internet_access'
            then concat(
                'EnableDefaultInternetAccess is ',
                coalesce(cast(facts.is_default_internet_access_enabled as varchar), 'not told')
            )
        when 'imdsv1_allowed'
            then concat('DisableIMDSV1 is ', coalesce(cast(facts.is_imdsv1_disabled as varchar), 'not told'))
        when 'no_vpc_endpoint' then concat(cast(facts.endpoints as varchar), ' access endpoints')
        when 'iam_role_attached' then coalesce(facts.iam_role_arn, 'IamRoleArn is not told')
        when 'agent_not_latest'
            then concat(
                'agent ',
                coalesce(facts.appstream_agent_version, 'not told'),
                ', latest: ',
                coalesce(facts.latest_appstream_agent_version, 'not told')
            )
        when 'errors_present'
            then concat(
                coalesce(facts.state, 'no state'),
                ', ',
                cast(facts.errors as varchar),
                ' errors',
                case when facts.error_code is null then '' else concat(', ', facts.error_code) end
            )
        when 'failed'
            then concat(
                coalesce(facts.state, 'no state'),
                case when facts.error_code is null then '' else concat(', ', facts.error_code) end
            )
        when 'stopped_long'
            then concat(
                coalesce(facts.state, 'no state'),
                ', ',
                coalesce(cast(cast(floor(facts.hours_low / 24) as bigint) as varchar), '?'),
                ' to ',
                coalesce(cast(cast(floor(facts.hours_high / 24) as bigint) as varchar), '?'),
                ' days'
            )
        when 'agent_access_open'
            then concat('UserControlMode is ', coalesce(facts.agent_access_config_user_control_mode, 'not told'))
        when 'agent_screenshots'
            then concat(
                'ScreenshotsUploadEnabled is ',
                coalesce(cast(facts.agent_access_config_screenshots_upload_enabled as varchar), 'not told')
            )
    end as evidence,
    rules.threshold,
    rules.unit,
    rules.source,
    facts.observed_at,
    facts.is_last_look_failed
from facts
cross join finding_rules as rules
