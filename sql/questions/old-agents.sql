-- Which builders age behind an old agent?

select
    appstream_agent_version,
    latest_appstream_agent_version as is_latest,
    count(*) as builders
from image_builders_current
group by
    appstream_agent_version,
    latest_appstream_agent_version
order by
    builders desc,
    appstream_agent_version
