"""The two forms of a mail are one mail, whatever a lead's data holds."""

import quopri
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.compiler.sender import Sender
from engine.errors import RenderError
from engine.render.artifact import Artifact, Link
from engine.render.context import values_for
from engine.render.wire import render, render_wire

HOSTILE = [
    "", " ", ".", "..", "\n.\n", "a\r\nBcc: x@y.example\r\n\r\n<b>", "\0", "\u2028\u2029\x85", "🤷🏽‍♀️" * 30, "שלום \u202e abc",
    "x" * 5000, "{{ 7*7 }}<script>alert(1)</script>", "=", "=3D", "=\r\n",
    "tail ", "tail\t", "\ud800", "a" * 74, "a" * 75, "a" * 76, "é" * 26,
    "From here", "-- \n", '"><img src=x onerror=1>', "%s%d", "{% raw %}",
]  # fmt: skip
ARTIFACT = Artifact(
    email="welcome",
    brand="fern",
    stream="marketing",
    sender=Sender(name="Fern", address="hello@fern.example"),
    subject="For {{ lead.name }} of {{ lead.company or 'nowhere' }}",
    preheader="",
    html=(
        '<p title="{{ lead.name }}">Grüße, {{ lead.name }}!</p>\n{% if lead.company %}at {{ lead.company }} \n{% endif %}'
        + "<p>= 76 columns of something that is long enough to be broken, ümläuts included, at least once or twice</p>"
        + '{% for item in event.items %}<td>.{{ item }}</td>\n{% endfor %}<a href="{{ track }}/c/{{ token }}/0">\t\n.x</a>\n'
    ),
    text="Hi {{ lead.name }}\n.\n{% for item in event.items %}- {{ item }}\n{% else %}none\n{% endfor %}{{ lead.name }} \n",
    links=(Link(name="x", target="https://fern.example"),),
)
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=200))


def values(**lead: Any) -> dict[str, Any]:
    return values_for(lead=lead, brand={}, track="https://t.example", token="T", seal=str, event={"items": lead.pop("items", [])})


def decoded(body: bytes) -> str:
    return quopri.decodestring(body).decode().replace("\r\n", "\n")


@settings(max_examples=300, deadline=None)
@given(name=TEXTS, company=st.none() | TEXTS, items=st.lists(TEXTS, max_size=4))
@example(name=HOSTILE[5], company=HOSTILE[6], items=HOSTILE)
def test_the_fast_form_is_the_plain_form_once_decoded(name, company, items):
    person = values(name=name, company=company, items=items)

    plain, wire = render(ARTIFACT, person), render_wire(ARTIFACT, person)

    assert wire.subject == plain.subject
    assert decoded(wire.html_qp) == plain.html
    assert decoded(wire.text_qp) == plain.text


@settings(max_examples=300, deadline=None)
@given(name=TEXTS, items=st.lists(TEXTS, max_size=4))
def test_lines_are_short_end_with_crlf_and_begin_with_no_dot(name, items):
    parts = render_wire(ARTIFACT, values(name=name, company=None, items=items))

    for body in (parts.html_qp, parts.text_qp):
        lines = body.split(b"\r\n")
        assert all(len(line) <= 76 and b"\r" not in line and b"\n" not in line for line in lines)
        assert not any(line.startswith(b".") for line in lines)
        assert all(32 <= byte < 127 or byte in b"\t\r\n" for byte in body)


@given(name=TEXTS)
def test_nothing_of_a_lead_becomes_markup_or_a_second_header(name):
    plain = render(ARTIFACT, values(name=name, company="", items=[name]))
    innocent = render(ARTIFACT, values(name="x", company="", items=["x"]))

    assert plain.html.count("<") == innocent.html.count("<")
    assert plain.html.count('"') == innocent.html.count('"')
    assert plain.subject.isprintable() or not set(plain.subject) & set("\r\n\0\x85\u2028\u2029")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("\u202eeve", "\u202eeve\u202c"),
        ("\u2067a\u202be", "\u2067a\u202be\u202c\u2069"),
        ("\u202ea\u2066b\u202cc", "\u202ea\u2066b\u202cc\u2069\u202c"),
        ("\u202eeve\u202c \u2067e\u202b\u2069", "\u202eeve\u202c \u2067e\u202b\u2069"),
        ("\u05d0\u200f\u2069", "\u05d0\u200f\u2069"),
    ],
)
def test_a_value_that_turns_the_way_of_writing_turns_it_back(name, told):
    rendered = render(ARTIFACT, values(name=name, company=None))

    assert f"Grüße, {told}!" in rendered.html
    assert told in rendered.text


def test_values_are_never_templates():
    assert "{{ 7*7 }}" in render(ARTIFACT, values(name="{{ 7*7 }}", company=None)).html


@pytest.mark.parametrize(("value", "told"), [(340.0, "340"), (2.5, "2.5"), (True, "yes"), (False, "no"), (7, "7")])
def test_values_are_spoken_as_a_reader_expects(value, told):
    assert f"Grüße, {told}!" in render(ARTIFACT, values(name=value, company=None)).html


@pytest.mark.parametrize("lead", [{}, {"name": None, "company": None}, {"name": ["a"], "company": None}])
def test_a_mail_with_a_hole_in_it_is_not_rendered_at_all(lead):
    for form in (render, render_wire):
        with pytest.raises(RenderError, match='the email "welcome"'):
            form(ARTIFACT, values(**lead))


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "//evil.example", "https://a.example@evil.example/", "https://x.example/ \n", "data:text/html,x", "",
     "https://x.example/" + "a" * 900, "https://x.example/\u202e", "ftp://x.example", "https:x.example", 'https://x.example/"'],
)  # fmt: skip
def test_only_web_addresses_are_sealed_into_links(address):
    artifact = replace(ARTIFACT, html="{{ seal(lead.name) }}\n")

    if address.strip() == "https://x.example/":
        assert render(artifact, values(name=address, company=None)).html == "https://x.example/\n"
        return
    with pytest.raises(RenderError, match="not a web address"):
        render(artifact, values(name=address, company=None))


@pytest.mark.parametrize(
    "attack",
    ["{{ ''.__class__.__mro__ }}", "{{ lead.__class__ }}", "{{ seal.__globals__ }}", "{{ lead.items() }}", "{{ 'a' * 10**9 }}",
     "{{ [1] * 300000000 }}", "{{ '%500000000d' | format(1) }}", "{{ '{0.__class__}'.format(1) }}", "{{ lead | attr('pop') }}",
     "{{ range(9) }}", "{{ self }}", "{{ 2 ** 99999999 }}", "{{ lead.name | map(attribute='__class__') | list }}",
     "{{ cycler }}"],
)  # fmt: skip
def test_a_template_reaches_nothing_but_its_values(attack):
    with pytest.raises(Exception, match=r".") as told:
        render(replace(ARTIFACT, html=attack), values(name="Ada", company=None))

    assert type(told.value).__name__ in ("RenderError", "TemplateAssertionError")


def test_a_mail_that_grows_too_large_is_refused():
    artifact = replace(ARTIFACT, html="{% for item in event.items %}{{ lead.name }}{% endfor %}\n")

    with pytest.raises(RenderError, match="larger than 512 KB"):
        render(artifact, values(name="x" * 10_000, company=None, items=["x"] * 60))
