"""The sensor that sends alerts to Slack or a webhook: failing findings and targets that were not seen."""

import json
from dataclasses import asdict, dataclass

import dagster as dg

from pipeline import views
from pipeline.defs.resources import WarehouseResource
from pipeline.errors import AlertError
from pipeline.report import alerts
from pipeline.report.alerts import Alert, Destination
from pipeline.settings import Environment

NAME = "findings_and_coverage"
_SECONDS = 60


def build_sensor(environment: Environment) -> dg.SensorDefinition:
    """On where a destination is configured. Each thing is told once for as long as it is wrong, and again when it was
    right in between.
    """
    configured = alerts.destinations(environment)

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
            return dg.SkipReason(f"Snapshot {newest} has been told of.")
        wrong = alerts.current_alerts(home, environment.alert_severity, views.Settings.read(environment))
        outcomes = []
        for destination in waiting:
            try:
                count = _tell(context.instance, destination, wrong, newest)
                outcomes.append(f"The {destination.kind} was told of {count} new things.")
            except AlertError as error:  # The others are told all the same.
                context.log.error(str(error))
                outcomes.append(str(error))
        return dg.SkipReason(" ".join(outcomes))

    return findings_and_coverage


@dataclass(frozen=True)
class _Remembered:
    """What a destination was told: up to which snapshot, and the keys of what was wrong then."""

    newest: str | None = None
    told: tuple[str, ...] = ()


def _tell(instance: dg.DagsterInstance, destination: Destination, wrong: list[Alert], newest: str) -> int:
    """Tells a destination what it was not told yet, and notes that at once, so that a tick that dies later, or another
    destination that refuses, has nothing told twice. Returns how many things were new.
    """
    known = set(_remembered(instance, destination).told)
    new = [alert for alert in wrong if alert.key not in known]
    if new:
        alerts.post(destination, new, newest)
    remembered = _Remembered(newest, tuple(sorted(alert.key for alert in wrong)))
    # Not the sensor's own cursor, which is saved only when a tick ends.
    instance.daemon_cursor_storage.set_cursor_values({_key(destination): json.dumps(asdict(remembered))})
    return len(new)


def _remembered(instance: dg.DagsterInstance, destination: Destination) -> _Remembered:
    key = _key(destination)
    text = instance.daemon_cursor_storage.get_cursor_values({key}).get(key)
    return _Remembered(**json.loads(text)) if text else _Remembered()


def _key(destination: Destination) -> str:
    return f"{NAME}/{destination.key}"
