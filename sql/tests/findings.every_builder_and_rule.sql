-- Every builder of now is held against every rule.

select
    builders.arn,
    rules.rule
from image_builders_current as builders
cross join finding_rules as rules
left join findings
    on builders.arn = findings.arn and rules.rule = findings.rule
where findings.arn is null
