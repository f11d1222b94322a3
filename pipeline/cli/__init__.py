"""The command line: one module a family of commands; printing, progress, the demo, the generated documents.

What a command does, the folders below do; here it is asked for and printed.
"""

from pipeline.cli.app import main, program

__all__ = ["main", "program"]
