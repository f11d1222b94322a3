-- As which operating system the platforms of image builders are priced, and how their sessions are billed: the first
-- of the patterns of operating_systems that matches decides. One that none matches is an operating system of its own.
--
-- Grain: one row per platform that any image builder ever had; one where none was told.
-- Key: platform
-- Not null: is_billed_by_second
-- Columns:
--   platform: the operating system, in AppStream's words; null where AWS did not tell it
--   operating_system: the operating system, in the price list's words
--   is_billed_by_second: whether its sessions are billed by the second, not by whole hours

select
    found.platform,
    coalesce(min_by(systems.operating_system, systems.rank), found.platform) as operating_system,
    coalesce(min_by(systems.is_billed_by_second, systems.rank), false) as is_billed_by_second
from (
    select distinct platform
    from raw.image_builders
) as found
left join operating_systems as systems
    on regexp_matches(lower(found.platform), systems.pattern)
group by found.platform
