"""Asks pip-audit's service for known vulnerabilities of what an environment holds; `audit.py PIP_AUDIT PYTHON`.

Exit code 1 where there are any. Where the service is not in reach it says so: that is no finding, and no all-clear.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

NOT_ASKED = (
    "The service that knows vulnerabilities is not in reach from here, so nothing was audited: run this where it is."
)


def main(pip_audit: str, python: str) -> int:
    freeze = [python, "-m", "pip", "freeze", "--exclude-editable", "--disable-pip-version-check"]
    installed = subprocess.run(freeze, capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder) / "installed.txt"
        pins.write_text(installed)
        command = [pip_audit, "--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
        done = subprocess.run([*command, "--requirement", pins], capture_output=True, text=True, check=False)
    try:
        told = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(NOT_ASKED if "onnection" in done.stderr else done.stderr)
        return 0 if "onnection" in done.stderr else 2
    asked = [package for package in told if "skip_reason" not in package]
    if not asked:
        print(NOT_ASKED)
        return 0
    found = [(p["name"], p["version"], v["id"], v["fix_versions"]) for p in asked for v in p["vulns"]]
    for name, version, identifier, fixes in found:
        print(f"{name} {version}: {identifier}, mended in {', '.join(fixes) or 'no version yet'}")
    skipped = [package["name"] for package in told if "skip_reason" in package]
    print(
        f"{len(asked)} packages were asked about, {len(found)} vulnerabilities found; "
        f"not known there: {', '.join(skipped) or 'none'}"
    )
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
