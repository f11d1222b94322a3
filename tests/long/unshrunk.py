"""A profile of hypothesis for who asks only whether a test fails: it says so at once, without the least example."""

from hypothesis import Phase, settings

NAME = "unshrunk"

settings.register_profile(
    NAME, deadline=None, derandomize=True, max_examples=12, database=None, phases=(Phase.explicit, Phase.generate)
)
