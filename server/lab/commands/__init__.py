"""Subcommands of `styletalk` that train, evaluate and measure."""
