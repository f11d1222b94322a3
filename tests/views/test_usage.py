"""What subnets, security groups and images are used by, in odd cases; test_findings.py has the usual ones."""

from pathlib import Path
from typing import Any

from pipeline import views
from pipeline.sandbox.server import ACCOUNT
from pipeline.warehouse import Warehouse
from tests.support import NOON, builder, replay
from tests.support.replay import Look


def test_one_in_a_state_that_nobody_has_heard_of_uses_what_it_uses(tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path), grace=0.0)
    network = {"SubnetIds": ["s1"], "SecurityGroupIds": ["g1"]}
    uses: dict[str, Any] = {"VpcConfig": network, "ImageArn": "arn:aws:appstream:::image/old"}
    states = {"odd": "HIBERNATED", "silent": None, "runs": "RUNNING"}
    seen = [builder(name, State=state, **uses) for name, state in states.items()]
    replay.replay(home, NOON, {"us-east-1": Look(seen)})

    def told(sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in views.query(home, sql).to_pylist()]

    where = (ACCOUNT, "us-east-1")
    columns = "account_id, region, {}, builders, running"
    assert told(f"select {columns.format('subnet_id')} from subnet_usage") == [(*where, "s1", 3, 1)]
    assert told(f"select {columns.format('security_group_id')} from security_group_usage") == [(*where, "g1", 3, 1)]
    assert told("select image_name, builders, running from image_usage") == [("old", 3, 1)]
    assert told("select name, is_billed from burn_rate order by name") == [
        ("odd", False),
        ("runs", True),
        ("silent", False),
    ]
