"""The report is an extra: without its packages everything else works, and it says what to install."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import Looker, builder
from tests.support.command import failed, image_builders


def test_without_its_packages_all_but_the_report_works(
    looker: Callable[..., Looker], monkeypatch: pytest.MonkeyPatch
) -> None:
    looker(builder("a")).sandbox.clock.set(None)
    for name in ("jinja2", "vl_convert"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "pipeline.report.charts", raising=False)
    assert image_builders("snapshot", "--region", "us-east-1").returncode == 0
    assert (
        image_builders("query", "select name from image_builders_current", "--format", "csv").stdout.split()[1] == "a"
    )
    sentence = r"The report needs packages that are not installed \(jinja2\): run pip install '\.\[report\]' in a clone"
    failed(image_builders("report"), 2, sentence)
    assert not Path("report.html").exists()
