-- Which builders has nobody touched: no change of state, settings or tags for long?
-- Parameter: days number = 30: for how many days at least

select
    builders.region,
    builders.name,
    coalesce(owners.owner, '(nobody)') as owner,
    builders.state,
    max(changes.changed_at) as last_changed_at,
    floor(date_diff('hour', max(changes.changed_at), builders.observed_at) / 24) as days_at_least
from image_builders_current as builders
join image_builder_changes as changes
    on builders.arn = changes.arn
left join image_builder_owners as owners
    on builders.arn = owners.arn
where
    -- That AWS has released another agent, nobody did here.
    changes.field is distinct from 'latest_appstream_agent_version'
    and changes.change not in ('unseen', 'seen_again')
group by
    builders.region,
    builders.arn,
    builders.name,
    owners.owner,
    builders.state,
    builders.observed_at
having date_diff('hour', max(changes.changed_at), builders.observed_at) >= $days * 24
order by
    days_at_least desc,
    builders.region,
    builders.name
