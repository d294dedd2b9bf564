"""Proves that the phone table is the official one and that every phone has exactly one viseme class."""

import json
from collections import Counter
from pathlib import Path

import pytest

from styletalk_core import phones

OFFICIAL = Path(__file__).parents[4] / "shared/data/official_dev/phindex.json"


def test_every_phone_belongs_to_exactly_one_viseme_class() -> None:
    members = Counter(phone for group in phones.VISEME_CLASSES.values() for phone in group)
    assert members == Counter(phones.PHONES)
    assert len(phones.PHONES) == 41


def test_order_is_the_official_one() -> None:
    if not OFFICIAL.exists():
        pytest.skip("the official phone index is not on this machine")
    assert json.loads(OFFICIAL.read_text()) == phones.INDEX
