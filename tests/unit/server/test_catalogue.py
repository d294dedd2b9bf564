"""Proves that packaged and user avatars and styles can be listed and shown."""

import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from server.catalogue import LibraryCatalogue
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.backgrounds import BackgroundLibrary
from styletalk_core.library.styles import StyleLibrary


def catalogue(home: Path) -> LibraryCatalogue:
    return LibraryCatalogue(
        AvatarLibrary(home / "avatars"), StyleLibrary(home / "styles"), BackgroundLibrary(home / "backgrounds")
    )


def test_the_package_brings_avatars_with_thumbnails_and_styles(tmp_path: Path) -> None:
    packaged = catalogue(tmp_path)
    avatars, styles = packaged.avatars(), packaged.styles()
    assert len(avatars) >= 2 and all(entry.title for entry in avatars)
    assert len(styles) >= 4 and styles[0].name == "conversational"
    thumbnail = packaged.thumbnail(avatars[0].name)
    assert thumbnail.startswith(b"\xff\xd8") and len(thumbnail) < 100_000


def test_what_a_user_adds_shows_without_a_restart(tmp_path: Path) -> None:
    packaged = catalogue(tmp_path)
    before = packaged.avatars()
    source = Path(str(files("styletalk_core"))) / "portraits" / before[0].name
    shutil.copytree(source, tmp_path / "avatars" / "mine")
    mine = next(entry for entry in packaged.avatars() if entry not in before)
    assert (mine.name, mine.kind, before[0].kind) == ("mine", "user", "presenter")
    shutil.copy(source.parent / before[1].name / "portrait.npz", tmp_path / "avatars" / "mine" / "portrait.npz")
    assert packaged.thumbnail("mine") == packaged.thumbnail(before[1].name)
    assert next(entry for entry in packaged.avatars() if entry.name == "mine").stamp != mine.stamp


def test_a_damaged_avatar_is_skipped(tmp_path: Path) -> None:
    packaged = catalogue(tmp_path)
    (tmp_path / "avatars" / "mine").mkdir(parents=True)
    (tmp_path / "avatars" / "mine" / "portrait.npz").write_bytes(b"PK nothing")
    assert "mine" not in {entry.name for entry in packaged.avatars()}
    with pytest.raises(ValueError, match="mine"):
        packaged.thumbnail("mine")


def test_backgrounds_are_listed_and_checked(tmp_path: Path) -> None:
    packaged = catalogue(tmp_path)
    assert {entry.kind for entry in packaged.backgrounds()} == {"keep", "blur", "transparent", "color", "picture"}
    for entry in packaged.backgrounds():
        packaged.check_background(entry.name)
    with pytest.raises(ValueError, match="moon"):
        packaged.check_background("moon")


def test_an_unknown_avatar_has_no_thumbnail(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nobody"):
        catalogue(tmp_path).thumbnail("nobody")


def test_styles_are_drawn_on_the_avatar_that_is_asked_for(tmp_path: Path) -> None:
    packaged = catalogue(tmp_path)
    first, second = (entry.name for entry in packaged.avatars()[:2])
    happy = packaged.style_thumbnail("happy", first)
    assert happy.startswith(b"\xff\xd8") and len(happy) < 20_000
    assert len({happy, packaged.style_thumbnail("sad", first), packaged.style_thumbnail("happy", second)}) == 3
    assert packaged.style_thumbnail("happy", first) == happy
    for style, avatar in (("nothing", first), ("happy", "nobody"), ("../happy", first)):
        with pytest.raises(ValueError, match=r"no style|no avatar|not a name"):
            packaged.style_thumbnail(style, avatar)
