"""Estates of image builders for the sandbox to serve: fixed ones, and seeded ones that change over simulated time.

What a builder is like at a moment is computed from its seed and that moment; nothing is stored, so the clock
can go where it likes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

ImageBuilder = dict[str, Any]
"""An image builder as DescribeImageBuilders tells it, moments in epoch seconds."""

_PRODUCTS = ("autocad", "blender", "chrome", "matlab", "office", "photoshop", "qgis", "revit", "sap-gui", "vscode")
_PLATFORMS = ("WINDOWS_SERVER_2019", "WINDOWS_SERVER_2022", "WINDOWS_SERVER_2025", "AMAZON_LINUX2", "RHEL8")
_INSTANCES = (
    "stream.standard.medium",
    "stream.standard.large",
    "stream.compute.xlarge",
    "stream.memory.2xlarge",
    "stream.graphics.g4dn.xlarge",
)
_LIVES = ("forgotten", "office", "office", "office", "stopped", "stopped", "failing", "young", "doomed")
_TEAMS = ("cad", "gis", "it", None)
_AGENTS = ("03-14-2026", "06-24-2026", "09-17-2026", "11-02-2026")


class Estate(Protocol):
    """The image builders, and their tags, that the sandbox's AppStream serves."""

    def builders(self, account_id: str, region: str, at: datetime) -> Sequence[ImageBuilder]:
        """The builders of a target at a moment, in the order in which they are listed."""
        ...

    def tags(self, account_id: str, region: str, at: datetime) -> dict[str, dict[str, str]]:
        """The tags of a target's builders at a moment, by ARN; those without any may be left out."""
        ...


class FixedEstate:
    """Given image builders by account and region; they change only when a test changes them."""

    def __init__(self, builders: dict[tuple[str, str], Sequence[ImageBuilder]] | None = None) -> None:
        self.by_target = builders or {}
        self.tags_by_arn: dict[str, dict[str, str]] = {}

    def builders(self, account_id: str, region: str, at: datetime) -> Sequence[ImageBuilder]:
        return self.by_target.get((account_id, region), ())

    def tags(self, account_id: str, region: str, at: datetime) -> dict[str, dict[str, str]]:
        return {arn: tags for arn, tags in self.tags_by_arn.items() if arn.split(":")[3:5] == [region, account_id]}


class SeededEstate:
    """Image builders generated from a seed, over days from `epoch`: always running, in office hours, failing."""

    def __init__(self, epoch: datetime, per_target: int = 12, seed: int = 7) -> None:
        self._epoch, self._per_target, self._seed = epoch, per_target, seed

    def builders(self, account_id: str, region: str, at: datetime) -> list[ImageBuilder]:
        made = (self._builder(account_id, region, number, at) for number in range(self._per_target))
        return [builder for builder in made if builder is not None]

    def tags(self, account_id: str, region: str, at: datetime) -> dict[str, dict[str, str]]:
        found = {}
        for builder in self.builders(account_id, region, at):
            chance = random.Random(f"{self._seed}/tags/{builder['Arn']}")
            team = chance.choice(_TEAMS)
            if team:  # Some have no owner.
                found[builder["Arn"]] = {"Owner": team, "CostCenter": f"{4000 + _TEAMS.index(team)}"}
        return found

    def _builder(self, account_id: str, region: str, number: int, at: datetime) -> ImageBuilder | None:
        chance = random.Random(f"{self._seed}/{account_id}/{region}/{number}")
        life = chance.choice(_LIVES)
        turn = self._epoch + timedelta(hours=chance.uniform(30, 140))
        """The moment at which something happens to it: it fails, appears or is deleted."""
        created = turn if life == "young" else self._epoch - timedelta(days=chance.uniform(3, 400))
        if at < created or (life == "doomed" and at >= turn):
            return None
        product, platform = chance.choice(_PRODUCTS), chance.choice(_PLATFORMS)
        name = f"{product}-{number:02d}"
        state = _state(life, at, turn, chance.random())
        agent = chance.choice(_AGENTS)
        vpc = f"{chance.getrandbits(32):08x}"
        builder: ImageBuilder = {
            "Name": name,
            "Arn": f"arn:aws:appstream:{region}:{account_id}:image-builder/{name}",
            "ImageArn": f"arn:aws:appstream:{region}::image/AppStream-{platform.replace('_', '-').title()}-{agent}",
            "DisplayName": product.replace("-", " ").title(),
            "VpcConfig": {
                "SubnetIds": [f"subnet-{vpc}{i}" for i in range(chance.randint(1, 2))],
                "SecurityGroupIds": [f"sg-{vpc}{i}" for i in range(chance.randint(1, 3))],
            },
            "InstanceType": chance.choice(_INSTANCES),
            "Platform": platform,
            "State": state,
            "CreatedTime": round(created.timestamp(), 3),
            "EnableDefaultInternetAccess": chance.random() < 0.3,
            "NetworkAccessConfiguration": {
                "EniPrivateIpAddress": f"10.0.{chance.randint(0, 255)}.{chance.randint(4, 254)}",
                "EniId": f"eni-{vpc}",
            },
            "ImageBuilderErrors": [],
            "AppstreamAgentVersion": agent,
            "LatestAppstreamAgentVersion": "TRUE" if agent == _AGENTS[-1] else "FALSE",
            "RootVolumeConfig": {"VolumeSizeInGb": chance.choice((200, 200, 200, 350, 500))},
            "DisableIMDSV1": chance.random() < 0.6,
            "AccessEndpoints": [],
        }
        if chance.random() < 0.5:
            builder["IamRoleArn"] = f"arn:aws:iam::{account_id}:role/appstream-{product}"
        if chance.random() < 0.4:
            builder["Description"] = f"Golden image of {product}, team {chance.choice(('cad', 'gis', 'it'))}"
        if chance.random() < 0.3:
            builder["DomainJoinInfo"] = {
                "DirectoryName": "corp.example.com",
                "OrganizationalUnitDistinguishedName": "OU=AppStream,DC=corp,DC=example,DC=com",
            }
        if chance.random() < 0.3:
            builder["AccessEndpoints"] = [{"EndpointType": "STREAMING", "VpceId": f"vpce-{vpc}"}]
        if chance.random() < 0.3:
            builder["NetworkAccessConfiguration"]["EniIpv6Addresses"] = [f"2001:db8::{vpc[:4]}:{number}"]
        if chance.random() < 0.25:
            builder["AgentAccessConfig"] = {
                "Settings": [
                    {"AgentAction": "COMPUTER_VISION", "Permission": "ENABLED"},
                    {"AgentAction": "COMPUTER_INPUT", "Permission": chance.choice(("ENABLED", "DISABLED"))},
                ],
                "S3BucketArn": f"arn:aws:s3:::agent-screens-{account_id}",
                "ScreenshotsUploadEnabled": chance.random() < 0.5,
                "ScreenResolution": "W_1280xH_720",
                "ScreenImageFormat": "PNG",
                "UserControlMode": "VIEW_STOP",
            }
        if state == "FAILED":
            builder["StateChangeReason"] = {
                "Code": "INTERNAL_ERROR",
                "Message": "The image builder could not be provisioned.",
            }
            builder["ImageBuilderErrors"] = [
                {
                    "ErrorCode": "SUBNET_HAS_INSUFFICIENT_IP_ADDRESSES",
                    "ErrorMessage": f"{builder['VpcConfig']['SubnetIds'][0]} has no free IP addresses.",
                    "ErrorTimestamp": round(turn.timestamp(), 3),
                }
            ]
        return builder


def _state(life: str, at: datetime, turn: datetime, taste: float) -> str:
    at = at.astimezone(UTC)
    if life == "forgotten":
        return "RUNNING"
    if life == "failing" and at >= turn:
        return "FAILED"
    if life == "young" and at < turn + timedelta(minutes=20):
        return "PENDING"
    working = at.weekday() < 5 and 8 <= at.hour < 18
    # Each builder has its own days off, the same ones every week.
    if life in ("office", "young") and working and (at.weekday() * 7 + int(taste * 100)) % 10 < 7:
        return "RUNNING"
    return "STOPPED"
