"""What the doctor says of records, asked of a real DNS server on this machine."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from engine.dkim.sign import Signer
from engine.doctor.dkim import look_at_dkim
from engine.doctor.dmarc import look_at_dmarc
from engine.doctor.examine import look_at_the_dns
from engine.doctor.finding import Level, Subject
from engine.doctor.names import Names, NoDnsError
from engine.doctor.sender import look_at_senders
from engine.doctor.sending import look_at_pointers
from engine.doctor.spf import look_at_spf
from engine.errors import UsageError
from tests.dkim.keys import an_ed25519_key, an_rsa_key, both_keys
from tests.doctor.dns_server import DnsServer, quoted
from tests.doctor.given import BOUNCES, FIRM, RELAYS_ADDRESS, levels, place_at, told

OK, UNKNOWN, WARNING, PROBLEM = Level.OK, Level.UNKNOWN, Level.WARNING, Level.PROBLEM


def test_all_is_well_where_all_is_published(dns_server: DnsServer, tmp_path: Path):
    place = place_at(dns_server, tmp_path)

    for look in (look_at_spf, look_at_dkim, look_at_dmarc, look_at_pointers, look_at_senders):
        found = list(look(place))
        assert found and {*levels(found)} == {OK}, told(found)
    assert "passes by DKIM (clearroom.air) and by SPF (mail.clearroom.air)" in told(look_at_dmarc(place))


def test_each_question_is_asked_once(dns_server: DnsServer, tmp_path: Path):
    list(look_at_the_dns(place_at(dns_server, tmp_path, mx_port=9, patience=0.1)))

    assert len(dns_server.asked) == len({*dns_server.asked}) < 40


@pytest.mark.parametrize(
    ("record", "level", "words"),
    [
        (None, PROBLEM, "has no SPF record → publish"),
        ("v=spf1 ip4:45.33.32.0/24 +all", PROBLEM, "the whole world may send"),
        ("v=spf1 ip4:45.33.32.0/24 all", PROBLEM, "the whole world may send"),
        ("v=spf1 ip4:45.33.32.0/24 ?all", WARNING, "it says nothing"),
        ("v=spf1 ip4:45.33.32.0/24", WARNING, "it says nothing"),
        ("v=spf1 ip4:45.33.32.0/24 -all", OK, "0 of 10"),
        ("v=spf1 ip4:45.33.32.0/99 -all", PROBLEM, "is no address"),
        ("v=spf1 ipv4:45.33.32.0 -all", PROBLEM, "no word of SPF"),
        ("v=spf1 include:nowhere.air -all", PROBLEM, "leads to no SPF record"),
        ("v=spf1 redirect=_spf.relay.air", OK, "1 of 10"),
        ("v=spf1 a mx/24 exists:%{i}.x.air ip6:2a00::/32 x=1 -all", OK, "3 of 10"),
        ("v=spf1 " + " ".join(f"a:h{number}.air" for number in range(11)) + " ~all", PROBLEM, "more than 10 times"),
        ("v=spf1 include:loop.air ~all", PROBLEM, "more than 10 times"),
    ],
)
def test_an_spf_record_is_judged(dns_server: DnsServer, tmp_path: Path, record: str | None, level: Level, words: str):
    dns_server.records["loop.air"] = {"TXT": [quoted("v=spf1 include:loop.air ~all")]}
    dns_server.records[BOUNCES] |= {"TXT": [quoted(record)]} if record else {"TXT": [quoted("another thing")]}

    first = next(look_at_spf(place_at(dns_server, tmp_path)))

    assert first.level is level and words in told([first])


def test_two_spf_records_count_for_none(dns_server: DnsServer, tmp_path: Path):
    dns_server.records[BOUNCES]["TXT"] = [quoted("v=spf1 a -all"), quoted("v=spf1 mx -all"), quoted("another thing")]

    assert "has 2 SPF records" in told(look_at_spf(place_at(dns_server, tmp_path)))


@pytest.mark.parametrize(
    ("sends_from", "level", "words"),
    [
        ((), OK, f"lets {RELAYS_ADDRESS} send"),
        (("45.33.32.9", "127.0.0.1"), OK, "lets 45.33.32.9, 127.0.0.1 send"),
        (("45.33.33.9", "2a00::7"), PROBLEM, "does not let 45.33.33.9, 2a00::7 send → put ip4:45.33.33.9 ip6:2a00::7 before"),
    ],
)
def test_the_servers_that_send_must_be_let(
    dns_server: DnsServer, tmp_path: Path, sends_from: tuple[str, ...], level: Level, words: str
):
    [_record, found] = look_at_spf(place_at(dns_server, tmp_path, sends_from=sends_from))

    assert found.level is level and words in told([found])


def test_where_a_service_sends_from_only_it_knows(dns_server: DnsServer, tmp_path: Path):
    dns_server.records["_spf.relay.air"]["TXT"] = [quoted("v=spf1 ip4:23.1.2.0/24 -all")]

    [_record, found] = look_at_spf(place_at(dns_server, tmp_path))

    assert found.level is UNKNOWN and "through which smtp.relay.air passes mail on" in found.said


@pytest.mark.parametrize(
    ("record", "level", "words"),
    [
        (None, PROBLEM, "is not published, so its signatures fail"),
        ("v=DKIM1; k=rsa; p=", PROBLEM, "another key"),
        ("v=DKIM1; k=rsa; p=MIIB", PROBLEM, "another key"),
        (an_rsa_key(FIRM).record.replace("k=rsa", "k=ed25519"), PROBLEM, "another key"),
        (an_rsa_key(FIRM).record.replace("k=rsa;", "t=y:s;"), WARNING, "only a test"),
        (an_rsa_key(FIRM).record.replace("p=", "p = ").replace("M", "M ", 1), OK, "(rsa, 2048 bits)"),
    ],
)
def test_a_key_that_is_not_published_as_it_is(
    dns_server: DnsServer, tmp_path: Path, record: str | None, level: Level, words: str
):
    dns_server.records[an_rsa_key(FIRM).record_name] = {"TXT": [quoted(record)]} if record else {}

    found = next(look_at_dkim(place_at(dns_server, tmp_path)))

    assert found.level is level and words in told([found])
    assert record is not None or an_rsa_key(FIRM).record in found.advice


def test_ed25519_alone_is_not_enough_and_no_key_is_a_question(dns_server: DnsServer, tmp_path: Path):
    alone = place_at(dns_server, tmp_path, signer=Signer([an_ed25519_key(FIRM)]))
    none = place_at(dns_server, tmp_path, signer=Signer())

    assert levels(look_at_dkim(alone)) == [PROBLEM, OK]
    assert levels(look_at_dkim(none)) == [UNKNOWN]
    assert "passes by SPF" in told(look_at_dmarc(none))


@pytest.mark.parametrize(
    ("record", "level", "words"),
    [
        ([], PROBLEM, "has no DMARC record"),
        (["v=DMARC1; p=none"], WARNING, "nobody gets the reports"),
        (["v=DMARC1; rua=mailto:d@x.air"], PROBLEM, "its p= says nothing"),
        (["v=DMARC1; p=all; rua=mailto:d@x.air"], PROBLEM, "its p= says nothing"),
        (["v=DMARC1; p=none; rua=mailto:d@x.air", "v=DMARC1;p=reject"], PROBLEM, "has 2 records"),
        (["v=DMARC1;p=reject;rua=mailto:d@x.air", "another thing"], OK, "p=reject"),
    ],
)
def test_a_dmarc_record_is_judged(dns_server: DnsServer, tmp_path: Path, record: list[str], level: Level, words: str):
    dns_server.records[f"_dmarc.{FIRM}"] = {"TXT": list(map(quoted, record))} if record else {}

    found = next(look_at_dmarc(place_at(dns_server, tmp_path)))

    assert found.level is level and words in told([found])


def test_a_subdomain_lives_by_the_record_above_it(dns_server: DnsServer, tmp_path: Path):
    [record, alignment] = look_at_dmarc(place_at(dns_server, tmp_path, senders=("news.clearroom.air",), signer=Signer()))

    assert record.level is OK and "_dmarc.clearroom.air" in record.said
    assert "news.clearroom.air passes by SPF (mail.clearroom.air)" in alignment.said


def test_a_strict_record_wants_the_very_same_domain(dns_server: DnsServer, tmp_path: Path):
    dns_server.records[f"_dmarc.{FIRM}"] = {"TXT": [quoted("v=DMARC1; p=reject; adkim=s; aspf=s; rua=mailto:d@x.air")]}
    place = place_at(dns_server, tmp_path, senders=("news.clearroom.air", "other.air"), signer=Signer(both_keys(FIRM)))

    found = told(look_at_dmarc(place))

    assert "problem mail from news.clearroom.air does not pass" in found
    assert "problem other.air has no DMARC record" in found
    assert "passes by DKIM (clearroom.air)" in found  # mail from the firm itself


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ({"156.32.33.45.in-addr.arpa": {}}, "has no name (PTR)"),
        ({"156.32.33.45.in-addr.arpa": {"PTR": ["else.air."]}}, "is called else.air, which does not lead back"),
    ],
)
def test_a_name_must_lead_both_ways(dns_server: DnsServer, tmp_path: Path, records: dict, words: str):
    dns_server.records |= records

    [guessed] = look_at_pointers(place_at(dns_server, tmp_path))
    [said] = look_at_pointers(place_at(dns_server, tmp_path, sends_from=(RELAYS_ADDRESS,)))

    assert words in guessed.said and words in said.said
    assert (guessed.level, said.level) == (WARNING, PROBLEM)


def test_where_a_mail_server_here_sends_from_is_asked(dns_server: DnsServer, tmp_path: Path):
    [found] = look_at_pointers(place_at(dns_server, tmp_path, SMTP_URL="smtp://127.0.0.1:25"))

    assert found.level is UNKNOWN and "--sends-from" in found.advice


def test_mail_from_somebody_elses_domain_is_told(dns_server: DnsServer, tmp_path: Path):
    place = place_at(dns_server, tmp_path, senders=("gmail.com", "clearroom.example"), REPLY_DOMAIN="localhost")

    assert levels(look_at_senders(place)) == [PROBLEM] * 3
    assert list(look_at_spf(place)) == [] and "gmail.com" in told(look_at_dmarc(place))


def test_a_domain_whose_dns_fails_keeps_no_other_check_from_being_made(dns_server: DnsServer, tmp_path: Path):
    dns_server.broken = {BOUNCES}

    found = list(look_at_the_dns(place_at(dns_server, tmp_path)))

    assert [(each.subject, each.level) for each in found if each.level is not OK] == [
        (Subject.SPF, WARNING), (Subject.DMARC, WARNING), (Subject.MX, WARNING),
    ]  # fmt: skip
    assert [each.level for each in found if each.subject is Subject.DKIM] == [OK, OK]


def test_no_dns_at_all_is_said_once(dns_server: DnsServer, tmp_path: Path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        nobody = DnsServer({}, address=f"127.0.0.1:{silent.getsockname()[1]}")
        [found] = look_at_the_dns(place_at(nobody, tmp_path, names=Names([nobody.address], seconds=0.6)))

    assert found.subject is Subject.DNS and found.level is PROBLEM


def test_a_network_that_is_down_is_no_dns(dns_server: DnsServer):
    """Nobody may send to the broadcast address as to a server."""
    assert not Names(["255.255.255.255"], seconds=0.6).answer()
    dns_server.broken = {""}
    assert Names([dns_server.address]).answer()


def test_a_machine_that_knows_no_server_says_so(dns_server: DnsServer):
    names = Names([dns_server.address])
    names._resolver = None

    assert not names.answer()
    with pytest.raises(NoDnsError, match="knows no DNS server"):
        names.texts(FIRM)


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".air", ".".join(["long" * 12] * 6), "*.air", "ü.air"])
def test_a_name_that_cannot_be_is_not_there(dns_server: DnsServer, name: str):
    assert Names([dns_server.address]).texts(name) == ()


def test_servers_to_be_asked_are_addresses():
    assert Names(["1.1.1.1", "[::1]:53", "::1", "127.0.0.1:5353"]).answer is not None
    with pytest.raises(UsageError, match="no DNS server"):
        Names(["dns.example"])


def test_a_short_key_is_told(dns_server: DnsServer, tmp_path: Path):
    short = replace(an_rsa_key(FIRM), selector="short", private=generate_private_key(65537, 1024))
    dns_server.records[short.record_name] = {"TXT": [quoted(short.record)]}

    [found] = look_at_dkim(place_at(dns_server, tmp_path, signer=Signer([short])))

    assert found.level is WARNING and "only 1024 bits" in found.said
