"""Every card in a weight file's header is formatted, without the fields that only programs read."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from styletalk_core import weights
from styletalk_core.lab.documents.model_cards import cards_page, read_card


def test_nested_figures_become_nested_lists(tmp_path: Path) -> None:
    card = {"terms": "free", "not_for": ["lies", "harm"], "figures_on": {"unseen people": {"lip_error": 1.5}}}
    save_file({"w": np.zeros(1)}, tmp_path / "net.safetensors", {"card": json.dumps(card), "format": "1"})
    save_file({"w": np.zeros(1)}, tmp_path / "bare.safetensors")
    (tmp_path / "free").mkdir()
    save_file({"w": np.zeros(1)}, tmp_path / "free" / "net.safetensors", {"card": json.dumps({"terms": "open"})})
    page = cards_page(tmp_path)
    assert "## net.safetensors\n\n- terms: free\n- not for: lies; harm\n" in page
    assert "- figures on:\n  - unseen people: lip error 1.5\n" in page
    assert "## free/net.safetensors\n\n- terms: open\n" in page
    assert "bare" not in page and "format" not in page


def test_the_trained_networks_say_what_went_in_and_under_which_terms() -> None:
    folder = weights.FOLDER
    for name in ("recognizer", "styletalk"):
        card = read_card(folder / f"{name}.safetensors")
        assert "research use" in card["terms"] and "GRID" in str(card)


def test_no_card_of_the_free_set_speaks_of_research_use() -> None:
    cards = {path.name: read_card(path).get("terms", "") for path in (weights.FOLDER / "free").glob("*.safetensors")}
    assert {name: terms for name, terms in cards.items() if "research" in terms} == {}
    assert cards[weights.MOTION] and cards["recognizer.safetensors"]
