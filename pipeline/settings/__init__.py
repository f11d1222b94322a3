"""What the user sets: environment variables, the targets file, findings.yaml, own prices.

`Environment` is the one declaration of the variables. Each file has a module of its own; nothing here calls AWS.
"""

from pipeline.settings.environment import Environment

__all__ = ["Environment"]
