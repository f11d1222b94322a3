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

with judged as (
    select *
    from finding_judgements
),

-- One exception is enough; of several, the one that counts longest is told.
excepted as (
    select
        builders.arn,
        exceptions.rule,
        max_by(exceptions.reason, exceptions.until) as reason,
        max(exceptions.until) as until
    from judged as builders
    join finding_exceptions as exceptions
        on
            builders.rule = exceptions.rule
            and (exceptions.name_pattern is null or regexp_matches(builders.name, exceptions.name_pattern))
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
