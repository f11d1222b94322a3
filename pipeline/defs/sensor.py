"""The sensor that tells Slack or a webhook of findings and failed coverage, when one is configured."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import dagster as dg

from pipeline.defs.resources import WarehouseResource
from pipeline.errors import AlertError
from pipeline.report import alerts
from pipeline.report.alerts import Alert, Destination

NAME = "findings_and_coverage"
_SECONDS = 60


def alert_sensor(environ: Mapping[str, str]) -> dg.SensorDefinition:
    """On where a destination is configured. Each thing is told once for as long as it is wrong; once it was right, and
    is wrong again, it is told again.
    """
    configured = alerts.destinations(environ)
    least = alerts.least_severity(environ)

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if configured else dg.DefaultSensorStatus.STOPPED,
        description="Tells Slack (IMAGE_BUILDERS_SLACK_WEBHOOK) or a webhook (IMAGE_BUILDERS_WEBHOOK) of failing "
        "findings and targets that were not seen, each once.",
    )
    def findings_and_coverage(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SkipReason:
        if not configured:
            return dg.SkipReason("Neither IMAGE_BUILDERS_SLACK_WEBHOOK nor IMAGE_BUILDERS_WEBHOOK is set.")
        home = warehouse.open()
        newest = home.newest()
        if newest is None:
            return dg.SkipReason("The warehouse holds no snapshot yet.")
        waiting = [d for d in configured if _remembered(context.instance, d).newest != newest]
        if not waiting:
            return dg.SkipReason(f"What snapshot {newest} tells was told.")
        wrong = alerts.current(home, least)
        said = []
        for destination in waiting:
            try:
                told = _tell(context.instance, destination, wrong, newest)
                said.append(f"The {destination.kind} was told of {told} new things.")
            except AlertError as error:  # One that does not answer keeps nothing from the others.
                context.log.error(str(error))
                said.append(str(error))
        return dg.SkipReason(" ".join(said))

    return findings_and_coverage


@dataclass(frozen=True)
class _Remembered:
    """What a destination was told: up to which snapshot, and the keys of what was wrong then."""

    newest: str | None = None
    told: tuple[str, ...] = ()


def _tell(instance: dg.DagsterInstance, destination: Destination, wrong: list[Alert], newest: str) -> int:
    """Tells a destination what it does not know yet, and remembers at once that it does: a tick that dies later, or
    another destination that refuses, has nothing told twice.
    """
    known = set(_remembered(instance, destination).told)
    new = [alert for alert in wrong if alert.key not in known]
    if new:
        alerts.post(destination, new, newest)
    remembered = _Remembered(newest, tuple(sorted(alert.key for alert in wrong)))
    # The sensor's own cursor is kept only when a tick ends.
    instance.daemon_cursor_storage.set_cursor_values({_key(destination): json.dumps(asdict(remembered))})
    return len(new)


def _remembered(instance: dg.DagsterInstance, destination: Destination) -> _Remembered:
    key = _key(destination)
    text = instance.daemon_cursor_storage.get_cursor_values({key}).get(key)
    return _Remembered(**json.loads(text)) if text else _Remembered()


def _key(destination: Destination) -> str:
    return f"{NAME}/{destination.key}"
