"""Replies that servers really give, each with what it is about."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.deliver.replies import POLICIES, About, Where, about, enhanced_code

WHERE = {"before": Where.BEFORE, "during": Where.DURING, "report": Where.REPORT}
FOLDER = Path(__file__).parent / "replies"


def corpus(files: str = "*.tsv") -> list[tuple[About, Where, int | None, str]]:
    lines = [line for path in sorted(FOLDER.glob(files)) for line in path.read_text().splitlines() if not line.startswith("#")]
    return [
        (About(kind), WHERE[where], *code_and_text(said, WHERE[where]))
        for kind, where, said in (line.split("\t") for line in lines)
    ]


def code_and_text(said: str, where: Where) -> tuple[int | None, str]:
    """As the wire has them: the code apart, which stands again before each line of a long reply."""
    if where is Where.REPORT:
        return None, said
    if said.startswith("none "):
        return None, said.removeprefix("none ")
    return int(said[:3]), said[4:].replace(f" {said[:3]}-", " ").replace(f" {said[:3]} ", " ")


def test_replies_are_taken_for_what_they_are() -> None:
    known = corpus()

    wrong = [(reply, kind, found) for kind, where, code, reply in known if (found := about(code, reply, where)) != kind]

    assert len(known) >= 300
    assert len(wrong) <= 0.02 * len(known), "\n".join(f"{reply}: {found}, not {kind}" for reply, kind, found in wrong)


@pytest.mark.parametrize(("kind", "where", "code", "reply"), corpus("whose.tsv"))
def test_a_refusal_of_ours_and_one_of_theirs_are_never_mistaken(kind: About, where: Where, code: int | None, reply: str) -> None:
    assert about(code, reply, where) == kind


@pytest.mark.parametrize("letters", ["sender ", "a" * 7, "<a@b ", "mail from:", "domain ", "helo ", "your account ", "a@"])
def test_a_long_reply_is_read_in_no_time(letters: str) -> None:
    began = time.process_time()

    about(550, "5.1.1 " + letters * 10_000, Where.DURING)

    assert time.process_time() - began < 1


def test_no_reply_about_us_ever_suppresses_anybody() -> None:
    for _kind, where, code, reply in corpus():
        if (enhanced_code(reply) or "").startswith(("5.7.", "5.5.", "4.7.")):
            assert POLICIES[about(code, reply, where)].suppress_after is None, reply


@pytest.mark.parametrize("kind", About)
def test_every_kind_of_reply_has_an_example_and_a_policy(kind: About) -> None:
    assert kind in POLICIES
    assert kind in {known for known, *_ in corpus()} | {About.LOST}


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.none(), st.integers(400, 599)),
    st.text(max_size=200),
    st.sampled_from(list(Where)),
    st.sampled_from(["", "5.7.1 ", "5.5.0 "]),
)
def test_no_words_make_it_fail_or_condemn_for_what_is_ours(code: int | None, words: str, where: Where, status: str) -> None:
    found = POLICIES[about(code, status + words, where)]

    assert not (status and (code is None or code >= 500) and found.suppress_after)
