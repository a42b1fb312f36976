"""Answers of the book of calls are believed only when they are exactly that."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from stock_service.upstream.shared_book import News, Said, read_news, read_said

GO = [b"go", 1_500_000, 7, b"3", b"250000", b"-9"]

JUNK = st.recursive(
    st.none() | st.integers() | st.binary(max_size=12) | st.text(max_size=6) | st.booleans(),
    lambda inner: st.lists(inner, max_size=9),
    max_leaves=12,
)


def test_an_answer_is_read() -> None:
    assert read_said(GO) == Said("go", 1.5, 7, News("3", 0.25, -9e-6))
    assert read_said([b"join"]) == Said("join")
    assert read_said([*[b"joined"], *GO[1:], b"17", b"4"]) == Said("joined", 1.5, 7, News("3", 0.25, -9e-6), "17", 4)
    assert read_news([b"3", 0, 0]) == News("3", 0.0, 0.0)


@given(JUNK)
@example(b"go")
@example([b"joined", 1, 1, b"1", 1, 1])
@example([b"go", b"1" * 40, 1, b"1", 1, 1])
def test_anything_else_is_no_answer_and_no_exception(answer: object) -> None:
    said = read_said(answer)
    assert said is None or said.word in ("go", "wait", "join", "learn", "joined", "warming")
    _ = read_news(answer)


@given(st.integers(0, len(GO) - 1), JUNK)
def test_one_spoilt_field_spoils_the_answer_or_leaves_a_sound_one(at: int, junk: object) -> None:
    said = read_said([*GO[:at], junk, *GO[at + 1 :]])
    assert said is None or (said.left >= 0 and abs(said.after) < 400 * 86_400)
