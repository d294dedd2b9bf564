"""Skips the `lab` tests if the packages of the extra are not installed."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("pocketsphinx") and find_spec("matplotlib") else ["*"]
