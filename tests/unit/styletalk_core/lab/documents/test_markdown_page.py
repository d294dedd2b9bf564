"""A generated section is replaced as a whole, and the rest of the page is unchanged."""

from pathlib import Path

from styletalk_core.lab.documents.markdown_page import table, write_section


def test_a_section_is_replaced_and_the_rest_kept(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "results.md"
    write_section(page, "one", "One", "first")
    write_section(page, "two", "Two", "second")
    page.write_text(page.read_text() + "written by hand\n")
    write_section(page, "one", "One", "changed")
    text = page.read_text()
    assert "first" not in text and text.index("changed") < text.index("second") < text.index("written by hand")
    assert text.count("<!-- begin one -->") == text.count("<!-- end one -->") == 1


def test_a_table_has_a_line_for_each_row() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
