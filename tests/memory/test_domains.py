"""Domains and addresses: all spellings of one mailbox are one, and two mailboxes stay two."""

import pytest

from engine.domains import domain_of, folded_domain, in_letters
from engine.tokens import fold_address
from tests.factories import TOKENS


@pytest.mark.parametrize(
    "spelt",
    [
        ("info@straße.example", "Info@STRAßE.example", "info@xn--strae-oqa.example", "INFO@XN--STRAE-OQA.EXAMPLE"),
        ("ada@bücher.example", "Ada@BÜCHER.example", "ada@xn--bcher-kva.example", " ada@bu\u0308cher.example "),
        ("nikos@βόλος.example", "nikos@xn--nxasmm1c.example"),
        ("ada@firm.example", "ADA@Firm.Example"),
    ],
)
def test_a_mailbox_is_one_however_it_is_spelt(spelt: tuple[str, ...]) -> None:
    assert len({TOKENS.address_key(each) for each in spelt}) == 1
    assert {fold_address(each) for each in spelt} == {spelt[0]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("info@straße.example", "info@strasse.example"),
        ("info@faß.example", "info@fass.example"),
        ("nikos@βόλος.example", "nikos@βόλοσ.example"),
    ],
)
def test_domains_that_only_the_old_rules_fold_are_two(one: str, other: str) -> None:
    """IDNA 2008 has ß and ς in names of their own: who stops mail to one has said nothing of the other."""
    assert TOKENS.address_key(one) != TOKENS.address_key(other)
    assert domain_of(one) != domain_of(other)


@pytest.mark.parametrize("text", ["CRM-7", "Straße 7", "", "@", "ada@", "ada@BÜCHER_1.example", "ada@xn--zzzzzz-.example"])
def test_what_is_no_address_is_folded_all_the_same(text: str) -> None:
    assert fold_address(fold_address(text)) == fold_address(text) == fold_address(text.upper())


def test_a_domain_in_ascii_can_be_read_as_it_is_written() -> None:
    assert [in_letters(each) for each in ("xn--strae-oqa.example", "mail.example", "xn--zzzzzz-.example")] == [
        "straße.example",
        "mail.example",
        "xn--zzzzzz-.example",
    ]
    assert folded_domain(in_letters("xn--nxasmm1c.example")) == "xn--nxasmm1c.example"
