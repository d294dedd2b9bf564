"""Training, evaluation, benchmarks, asset makers. Needs the extra `lab`; nothing else imports it."""
