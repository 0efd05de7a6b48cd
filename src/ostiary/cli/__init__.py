"""The command line: one file per command, and the only room that reads the environment."""

from ostiary.cli.program import main

__all__ = ["main"]
