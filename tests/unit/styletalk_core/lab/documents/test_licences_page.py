"""Proves that the licence page is the generated one."""

from pathlib import Path

from styletalk_core.lab.documents.licences import licences_page

PAGE = Path(__file__).parents[5] / "docs" / "licences.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == licences_page()
