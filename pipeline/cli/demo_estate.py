"""What the demo's warehouse is of: kept in its folder, so that whoever goes on there meets the same image builders."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipeline.sandbox.estate import SeededEstate

MARK = ".demo"
"""The file that marks a warehouse of the demo's, whose data may be thrown away; what the demo was of."""

TARGETS = ".demo-targets.yaml"
"""The demo's targets file."""

REGIONS = ("us-east-1", "eu-west-1", "ap-northeast-1")

_TEXT = """# What the demo looks at.
regions: [{regions}]
tags: true
"""


@dataclass(frozen=True)
class DemoEstate:
    """The estate of a demo: its builders are older than `epoch`, or have come since."""

    epoch: datetime

    @property
    def served(self) -> SeededEstate:
        """As the sandbox serves it."""
        return SeededEstate(self.epoch)

    def keep(self, location: str) -> Path:
        """Writes it into the warehouse's folder; returns the path of the targets file."""
        folder = Path(location)
        told = {"filled by": "image-builders demo, which fills it anew each time", "epoch": self.epoch.isoformat()}
        (folder / MARK).write_text(json.dumps(told) + "\n", encoding="utf-8")
        (folder / TARGETS).write_text(_TEXT.format(regions=", ".join(REGIONS)), encoding="utf-8")
        return (folder / TARGETS).absolute()

    @classmethod
    def kept(cls, location: str) -> DemoEstate | None:
        """That of a warehouse of the demo's; None for another, or where nothing readable was kept."""
        try:
            return cls(datetime.fromisoformat(json.loads((Path(location) / MARK).read_text(encoding="utf-8"))["epoch"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None


def look_as_the_demo_did(location: str, environ: MutableMapping[str, str]) -> None:
    """Sets the targets file to the demo's, unless another is set."""
    if (Path(location) / TARGETS).exists():
        environ.setdefault("IMAGE_BUILDERS_TARGETS", str((Path(location) / TARGETS).absolute()))
