"""Accounts × regions: which targets a run looks at, once AWS is asked whose credentials these are and what is enabled.

Not here: what the targets file may contain (`settings`), how a target is looked at (`extract`).
"""

from pipeline.targets.planning import plan
from pipeline.targets.target import Plan, Remark, Target, split

__all__ = ["Plan", "Remark", "Target", "plan", "split"]
