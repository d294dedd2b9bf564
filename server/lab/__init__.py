"""Benchmarks of the server, and laboratory commands. Needs the extra `lab`; nothing else imports it."""
