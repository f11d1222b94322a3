"""The sensor: findings and failed coverage told to Slack and to webhooks over real HTTP, each once."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipeline.definitions import build_definitions
from pipeline.defs.resources import WarehouseResource
from pipeline.defs.sensor import NAME
from pipeline.errors import ConfigurationError
from pipeline.warehouse import Warehouse
from tests.support import NOON, builder, replay, settings_of
from tests.support.replay import Look

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning")]
DAY = timedelta(days=1)


@dataclass
class Receiver:
    """Takes what is posted; answers with `status`."""

    url: str
    status: int = 200
    got: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


@pytest.fixture
def receivers() -> Iterator[dict[str, Receiver]]:
    """A Slack and a webhook, told apart by their paths."""
    made: dict[str, Receiver] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver = made[self.path.strip("/").split("/")[0]]
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if receiver.status < 400:
                receiver.got.append(json.loads(body))
                receiver.keys.append(self.headers["Idempotency-Key"])
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    for name in ("slack", "hook"):
        made[name] = Receiver(f"http://127.0.0.1:{server.server_port}/{name}/a-secret-that-is-long")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Warehouse:
    return Warehouse(str(tmp_path / "warehouse"), grace=0.0)


def tick(home: Warehouse, instance: dg.DagsterInstance, **settings: str) -> str:
    """An evaluation of the sensor, in a process that knows nothing of the ones before; what it says."""
    resources = {"warehouse": WarehouseResource(location=home.location, grace=0.0)}
    definitions = build_definitions(settings_of(settings), **resources)
    sensor = definitions.resolve_sensor_def(NAME)
    with dg.build_sensor_context(
        instance, repository_def=definitions.get_repository_def(), resources=resources, sensor_name=NAME
    ) as context:
        return str(sensor.evaluate_tick(context).skip_message)


def publish(home: Warehouse, *builders: dict[str, Any], day: int = 0, seen: bool = True) -> None:
    looks = {"us-east-1": Look(list(builders)), "eu-west-1": Look([] if seen else None)}
    replay.replay(home, NOON + day * DAY, looks)


def old(name: str, **members: Any) -> dict[str, Any]:
    well = {"State": "STOPPED", "AccessEndpoints": [{"EndpointType": "STREAMING", "VpceId": "v"}]}
    return builder(name, **(well | members))


def test_each_thing_is_told_once_for_as_long_as_it_is_wrong(
    receivers: dict[str, Receiver], home: Warehouse, instance: dg.DagsterInstance
) -> None:
    hook = {"IMAGE_BUILDERS_WEBHOOK": receivers["hook"].url}
    got = receivers["hook"].got
    publish(home, old("a", DisableIMDSV1=False))
    assert tick(home, instance, **hook) == "The webhook was told of 1 new things."
    assert [a["key"] for a in got[0]["alerts"]] == [
        "finding/arn:aws:appstream:us-east-1:123456789012:image-builder/a/imdsv1_allowed"
    ]
    assert "told" in tick(home, instance, **hook)
    publish(home, old("a", DisableIMDSV1=False), day=1, seen=False)
    tick(home, instance, **hook)
    assert [a["key"] for a in got[1]["alerts"]] == ["coverage/123456789012/eu-west-1"]
    assert "123456789012/eu-west-1 was not seen: denied, AccessDeniedException" in got[1]["text"]
    publish(home, old("a", DisableIMDSV1=True), day=2)  # All is well again.
    tick(home, instance, **hook)
    assert len(got) == 2
    publish(home, old("a", DisableIMDSV1=False), day=3)  # And wrong again.
    tick(home, instance, **hook)
    assert len(got) == 3
    assert len(set(receivers["hook"].keys)) == 3


def test_one_that_refuses_keeps_nothing_from_the_other_and_is_told_later(
    receivers: dict[str, Receiver], home: Warehouse, instance: dg.DagsterInstance
) -> None:
    both = {"IMAGE_BUILDERS_WEBHOOK": receivers["hook"].url, "IMAGE_BUILDERS_SLACK_WEBHOOK": receivers["slack"].url}
    receivers["slack"].status = 500
    publish(home, old("a<b>&", DisableIMDSV1=False))
    said = tick(home, instance, **both)
    assert "The slack refuses alerts: status 500." in said
    assert "a-secret-that-is-long" not in said
    assert (len(receivers["hook"].got), len(receivers["slack"].got)) == (1, 0)
    receivers["slack"].status = 200
    tick(home, instance, **both)
    tick(home, instance, **both)
    assert (len(receivers["hook"].got), len(receivers["slack"].got)) == (1, 1)
    (told,) = receivers["slack"].got
    assert set(told) == {"text", "mrkdwn"}, "Slack's incoming webhooks take a text"
    assert "• a&lt;b&gt;&amp; (123456789012/us-east-1): Instance metadata answers IMDSv1" in told["text"]


def test_nobody_is_told_where_nobody_is_configured(home: Warehouse, instance: dg.DagsterInstance) -> None:
    publish(home, old("a", DisableIMDSV1=False))
    assert "Neither IMAGE_BUILDERS_SLACK_WEBHOOK nor" in tick(home, instance)
    sensor = build_definitions(settings_of({})).resolve_sensor_def(NAME)
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    running = build_definitions(settings_of({"IMAGE_BUILDERS_WEBHOOK": "https://example.com"})).resolve_sensor_def(NAME)
    assert running.default_status is dg.DefaultSensorStatus.RUNNING


def test_before_the_first_snapshot_there_is_nothing_to_tell(
    receivers: dict[str, Receiver], home: Warehouse, instance: dg.DagsterInstance
) -> None:
    said = tick(home, instance, IMAGE_BUILDERS_WEBHOOK=receivers["hook"].url)
    assert said == "The warehouse holds no snapshot yet."


def test_only_what_is_severe_enough_is_told_and_long_lists_are_cut(
    receivers: dict[str, Receiver], home: Warehouse, instance: dg.DagsterInstance
) -> None:
    publish(home, *(old(f"b{n:02}", State="FAILED", DisableIMDSV1=False) for n in range(25)))
    slack = receivers["slack"]
    tick(home, instance, IMAGE_BUILDERS_SLACK_WEBHOOK=slack.url, IMAGE_BUILDERS_ALERT_SEVERITY="high")
    lines = slack.got[0]["text"].splitlines()
    assert lines[0] == "25 things to look into among AppStream image builders:"
    assert all("Has failed" in line for line in lines[1:21])
    assert lines[21:] == ["and 5 more"]


def test_nobody_there_is_one_sentence_without_the_secret(home: Warehouse, instance: dg.DagsterInstance) -> None:
    publish(home, old("a", DisableIMDSV1=False))
    said = tick(home, instance, IMAGE_BUILDERS_WEBHOOK="http://127.0.0.1:9/a-secret-that-is-long")
    assert said == "The webhook does not answer (ConnectionError)."


@pytest.mark.parametrize(
    "settings", [{"IMAGE_BUILDERS_WEBHOOK": "example.com"}, {"IMAGE_BUILDERS_ALERT_SEVERITY": "dire"}]
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        build_definitions(settings_of(settings))
