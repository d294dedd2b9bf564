"""Writes generated sections into a Markdown page, each between its own markers; the rest of the page is unchanged.

Runs on: any thread; writes files.
"""

from collections.abc import Sequence
from pathlib import Path


def write_section(page: Path, name: str, title: str, text: str) -> None:
    """Replaces a section between its markers, or appends it to the page if the markers are missing."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    section = f"{begin}\n## {title}\n\n{text.rstrip()}\n{end}"
    old = page.read_text(encoding="utf-8") if page.exists() else "# Results\n"
    before, found, rest = old.partition(begin)
    _, closed, after = rest.partition(end)
    new = before + section + after if found and closed else old.rstrip() + "\n\n" + section + "\n"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(new, encoding="utf-8")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with a header line and one line per row."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
