-- Every version says how it began: the first one not by a change, and a current one has not ended.

select
    arn,
    version,
    began,
    ended
from image_builder_history
where
    began not in ('first_seen', 'created', 'recreated', 'seen_again', 'changed')
    or (version = 1 and began not in ('first_seen', 'created'))
    or is_current is distinct from (ended is null)
