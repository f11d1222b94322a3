-- Which builders were there three days ago, and are gone now?

select
    changes.region,
    changes.name,
    changes.changed_after as last_seen_at,
    changes.changed_at as gone_at
from image_builder_changes as changes
where
    changes.change = 'deleted'
    and changes.changed_at > (
        select max(observed_at)
        from extracts
    ) - interval 3 day
order by
    changes.region,
    changes.name
