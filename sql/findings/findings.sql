-- What to look into: every image builder as it is now, held against every rule (finding_rules). What AWS does not tell
-- is unknown, never a pass; so is a duration whose bounds lie on both sides of the threshold. Running for long fails
-- where looks that are close together (close_looks) prove it; where looks saw it running that are farther apart, it is
-- unknown, with how often it was seen so. Stopped for long is what every look saw, however far apart. A list that AWS
-- leaves out is an empty one.
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
--   status: pass, fail, unknown, or excepted: what would fail or be unknown, and findings.yaml accepts it for now
--   severity: how bad a failure is: low, medium or high
--   evidence: what the status was read from
--   excepted_because: why it is accepted; null where it is not
--   excepted_until: the last day, UTC, on which that counts
--   threshold: the rule's threshold, if it has one
--   unit: the threshold's unit
--   source: who says that it matters
--   observed_at: when the image builder was seen
--   is_last_look_failed: whether the last look at its target failed, so that this tells of an earlier one

-- A piece of image_builder_pieces ends where the instance type, the platform or the volume is told otherwise, for that
-- is another price. Here it is one for as long as the image builder is in its condition.
with marked as (
    select
        *,
        case
            when
                began in ('changed', 'apart')
                and lag(condition) over builder = condition
                then 0
            else 1
        end as is_new
    from image_builder_pieces
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
    from marked
),

bounds as (
    select
        arn,
        condition,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        max(case when is_new = 1 or is_apart then first_seen_at end) as proven_since,
        max(case when is_new = 1 then known_after end) as known_after,
        max(watched_until) as watched_until,
        sum(looks) as looks,
        max(watched_looks) - min(first_look_no) + 1 as looks_since,
        max(
            case
                when is_new = 0 and is_apart
                    then floor(epoch(first_seen_at)) - floor(epoch(known_after))
            end
        ) as seconds_apart
    from numbered
    group by
        arn,
        condition,
        stretch
    having max(case when known_until is null then 1 else 0 end) = 1
),

-- What image builders are in now, and since when: what is proven, what each look saw, and what can be.
stretches as (
    select
        arn,
        condition,
        cast(
            floor(epoch(last_seen_at)) - floor(epoch(proven_since)) as double
        ) / 3600 as hours_low,
        cast(
            floor(epoch(last_seen_at)) - floor(epoch(first_seen_at)) as double
        ) / 3600 as hours_seen,
        cast(
            floor(epoch(watched_until)) - floor(epoch(known_after)) as double
        ) / 3600 as hours_high,
        concat(
            'seen so at ',
            cast(cast(looks as bigint) as varchar),
            ' of ',
            cast(cast(greatest(looks_since, looks) as bigint) as varchar),
            case when looks_since > 1 then ' looks' else ' look' end,
            case
                when seconds_apart is null then ''
                else concat(
                    ', up to ', cast(cast(round(cast(seconds_apart as double) / 3600) as bigint) as varchar), ' h apart'
                )
            end
        ) as seen
    from bounds
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
        stretches.hours_seen,
        stretches.seen,
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
),

judged as (
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
                    when facts.hours_seen >= rules.threshold * 24 then 'fail'
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
                    ' hours',
                    case when facts.is_billed then concat(', ', facts.seen) else '' end
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
                    coalesce(cast(cast(floor(facts.hours_seen / 24) as bigint) as varchar), '?'),
                    ' to ',
                    coalesce(cast(cast(floor(facts.hours_high / 24) as bigint) as varchar), '?'),
                    ' days',
                    case when facts.state = 'STOPPED' then concat(', ', facts.seen) else '' end
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
),

-- One exception is enough; of several, the one that counts longest is told.
excepted as (
    select
        builders.arn,
        exceptions.rule,
        max_by(exceptions.reason, exceptions.until) as reason,
        max(exceptions.until) as until
    from facts as builders
    join finding_exceptions as exceptions
        on
            (exceptions.name_pattern is null or regexp_matches(builders.name, exceptions.name_pattern))
            and (exceptions.account_pattern is null or regexp_matches(builders.account_id, exceptions.account_pattern))
            and (exceptions.region_pattern is null or regexp_matches(builders.region, exceptions.region_pattern))
            and exceptions.until >= cast(current_timestamp at time zone 'UTC' as date)
    left join image_builder_tags_told as told
        on builders.arn = told.arn and told.is_newest and exceptions.tag_key is not null
    left join raw.image_builder_tags as tags
        on
            told.arn = tags.arn
            and told.snapshot_id = tags.snapshot_id
            and exceptions.tag_key = lower(tags.tag_key)
            and regexp_matches(tags.tag_value, exceptions.tag_pattern)
    where
        exceptions.tag_key is null
        or tags.tag_key is not null
    group by
        builders.arn,
        exceptions.rule
)

select
    judged.account_id,
    judged.region,
    judged.arn,
    judged.name,
    judged.owner,
    judged.rule,
    judged.title,
    case
        when judged.status <> 'pass' and excepted.arn is not null then 'excepted'
        else judged.status
    end as status,
    judged.severity,
    judged.evidence,
    case when judged.status <> 'pass' then excepted.reason end as excepted_because,
    case when judged.status <> 'pass' then excepted.until end as excepted_until,
    judged.threshold,
    judged.unit,
    judged.source,
    judged.observed_at,
    judged.is_last_look_failed
from judged
left join excepted
    on judged.arn = excepted.arn and judged.rule = excepted.rule
