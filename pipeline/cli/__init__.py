"""The command line. What a command does, other folders do; here it is asked and told."""

from pipeline.cli.commands import main, program

__all__ = ["main", "program"]
