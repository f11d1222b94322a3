-- Every image builder whose tags were told has one look that told them last.

select
    arn,
    sum(case when is_newest then 1 else 0 end) as newest
from image_builder_tags_told
group by arn
having sum(case when is_newest then 1 else 0 end) <> 1
