"""Proves what keys and tokens grant, and that a token cannot be made without the key."""

import pytest

from server.auth.access import Access, AccessScope

NOW = 1_000_000.0


def access(key: str = "secret", at: float = NOW) -> Access:
    return Access(key, now=lambda: at)


def test_the_key_opens_everything_and_a_wrong_one_nothing() -> None:
    assert access().scope("secret") is AccessScope.FULL
    for wrong in ("", "secre", "secret ", "\ud800".encode("utf-8", "replace").decode(), "a.b.c", "full.9999999999.n.s"):
        assert access().scope(wrong) is None


def test_a_token_is_known_to_every_server_with_the_key_until_it_expires() -> None:
    token = access().token(AccessScope.TALK, 60).text
    assert access(at=NOW + 59).scope(token) is AccessScope.TALK
    assert access(at=NOW + 60).scope(token) is None
    assert access("other").scope(token) is None


@pytest.mark.parametrize("position", [0, 6, 14, -1])
def test_a_changed_token_is_invalid(position: int) -> None:
    token = list(access().token(AccessScope.TALK, 60).text)
    token[position] = "A" if token[position] != "A" else "B"
    assert access().scope("".join(token)) is None


def test_a_server_without_a_key_is_open() -> None:
    assert access("").open
    assert not access().open
