"""Subcommands of `styletalk` for training, evaluation and benchmarks.

Each is an entry point of the group `styletalk.commands` (pyproject.toml): a module and a summary.
"""

BENCH = ("server.lab.commands.bench", "measure speed, latency and capacity")
DATASET = ("server.lab.commands.dataset", "track clips and label their phones for training")
EVALUATE = ("server.lab.commands.evaluate", "compare generated motion with tracked clips")
RESULTS = ("server.lab.commands.results", "write the measured results to docs/results.md and the README")
TRAIN = ("server.lab.commands.train", "train a shipped weight file from the data folder")
