"""The `styletalk` command: one module per subcommand."""

from server.cli.command import main

__all__ = ["main"]
