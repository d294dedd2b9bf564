"""One module per subcommand of `styletalk`."""
