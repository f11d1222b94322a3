-- Which builders were there three days ago, and are gone now?
-- Parameter: days number = 3: how many days back

select
    changes.region,
    changes.name,
    changes.changed_after as last_seen_at,
    changes.changed_at as gone_at
from image_builder_changes as changes
left join image_builder_history as later
    on changes.arn = later.arn and later.valid_from >= changes.changed_at
where
    changes.change = 'deleted'
    and later.arn is null
    and changes.changed_at > (
        select max(observed_at)
        from extracts
    ) - to_seconds($days * 86400)
order by
    gone_at desc,
    changes.region,
    changes.name
