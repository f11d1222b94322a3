"""One colour a state, the same in the report and the notebook.

Those that stand beside each other most can be told apart by colour-blind eyes: they are of the palette of Okabe and Ito
(Color Universal Design, 2008), with a grey. All stand out from white and from near black (3:1, WCAG 2).
"""

from __future__ import annotations

STATE_COLOURS = {
    "RUNNING": "#0072b2",
    "STOPPED": "#84909f",
    "FAILED": "#d55e00",
    "PENDING": "#b5659a",
    "UPDATING": "#00916a",
    "UPDATING_AGENT": "#00916a",
    "REBOOTING": "#b07d00",
    "SNAPSHOTTING": "#3b8fc4",
    "DELETING": "#8a6fb8",
    "STOPPING": "#6b7684",
    "REBUILDING": "#a0642c",
}
OTHER = ("#7a7f35", "#a65d73", "#4f8a8b", "#8f6a4a")
"""For states that nobody has heard of, in turn."""

AMOUNTS = {"at most": "#8fbbe0", "most likely": "#0072b2", "at least": "#d55e00"}
"""The three amounts of a day."""


def colours_of(states: list[str]) -> list[str]:
    """A colour for each state, in their order."""
    unknown = [state for state in states if state not in STATE_COLOURS]
    own = {state: OTHER[n % len(OTHER)] for n, state in enumerate(unknown)}
    return [STATE_COLOURS.get(state) or own[state] for state in states]
