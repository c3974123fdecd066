"""An email that cannot be compiled once is compiled for each person: the same mail, as safe, only slower."""

import quopri
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Template

from engine.compiler.workspace import compile_workspace
from engine.errors import RenderError
from engine.installed import starter_folder
from engine.languages import USUAL
from engine.render import library
from engine.render.artifact import Artifact
from engine.render.names import ROOTS
from engine.render.phrases import read_phrases
from engine.render.problems import Problems
from engine.render.sample import sample_values
from engine.render.wire import Rendered, render, render_wire
from tests.render.conftest import BRAND, text_body

STARTER = compile_workspace(starter_folder(), render=library)
HOSTILE = [
    '"><script>alert(1)</script>',
    "</mj-text><mj-raw>",
    "zqj0jqz",
    "{{ 7*7 }}",
    "<!--",
    "]]>",
    "\\\"'",
    "é🤷🏽‍♀️ \u202e",
    "a\nb",
]
WORDS = "<mj-column><mj-text>{}</mj-text></mj-column>"


def settled(mail: Rendered) -> tuple[str, str, str]:
    """Without white space beside table rows and Outlook's comments, which nobody sees: MJML drops it, a loop leaves it."""
    return mail.subject, re.sub(r"(<tbody>|</tr>)\s+|\s+(?=<!--\[if)", r"\1", mail.html), mail.text


@pytest.mark.parametrize("email", library.email_names(starter_folder()))
def test_both_paths_write_the_same_mail(email):
    assert STARTER.plan is not None
    once = STARTER.artifacts[STARTER.plan.emails[email].plain]
    values = sample_values(once, starter_folder() / f"templates/emails/{email}/sample.yaml", STARTER.plan)

    afresh = compile_afresh(starter_folder(), email, once.brand, STARTER.plan.policy.brands)

    assert afresh.is_mjml
    assert not once.is_mjml
    for each in (values, {**values, "offer": None}):
        assert settled(render(afresh, each)) == settled(render(once, each))


def compile_afresh(workspace: Path, email: str = "welcome", brand: str = "fern", brands: Any = None) -> Artifact:
    problems = Problems()
    tables = library.Tables(brands or {"fern": BRAND}, read_phrases(workspace, problems), ROOTS, USUAL)
    edition = library.compile_email(workspace, email, brand, tables, problems, afresh=True)
    assert edition is not None, problems.in_order()
    return edition.plain


BOTH = [
    text_body("{% if lead.company %}<p>{{ lead.company }}</p>{% else %}<p>Nobody <b>a</b> <i>b</i></p>{% endif %}"),
    text_body(
        '{% if offer %}<a href="{{ offer.link }}">x</a>{% endif %} '
        '<a href="https://x.example/?a={{ lead.first_name or 1 }}&amp;b=1">y</a>'
    ),
    text_body(
        '<span style="color: {{ event.colour }}">x</span><!-- a note on {{ lead.company or 1 }} --><!--[if mso]>m<![endif]-->'
    ),
    "{% for item in event.items %}" + text_body("{{ item }}, {{ loop.index }}") + "{% endfor %}",
    "<mj-wrapper>{% for item in event.items %}" + text_body("{{ item }}") + "{% endfor %}</mj-wrapper>",
    "<mj-hero>{% if lead.company %}<mj-text>a</mj-text>{% endif %}<mj-text>b</mj-text></mj-hero>",
    '<mj-section><mj-column>{% for item in event.items %}<mj-image src="https://x.example/{{ item }}.png" alt="{{ item }}" />'
    "{% endfor %}</mj-column></mj-section>",
    "<mj-section><mj-column><mj-table>{% for item in event.items %}<tr><td>{{ item }}</td></tr>{% endfor %}</mj-table>"
    "</mj-column></mj-section>",
    "<mj-section><mj-column><mj-raw>{% if lead.company %}<p>{{ lead.company }}</p>{% endif %}</mj-raw></mj-column></mj-section>",
]


@pytest.mark.parametrize("body", BOTH, ids=range(len(BOTH)))
@pytest.mark.parametrize("name", [None, "Fern", *HOSTILE])
def test_both_paths_agree_whatever_a_lead_is_called(compile_email, tmp_path, values, body, name):
    once, problems = compile_email(body)
    afresh = compile_afresh(tmp_path)
    offer = {"title": "t", "text": "t", "link": "https://x.example/o", "button": "b"}
    person = values(lead={"company": name, "first_name": "A"}, offer=offer, event={"items": [name or "x", "y"], "colour": "#abc"})

    assert problems == []
    assert settled(render(afresh, person)) == settled(render(once, person))


NEEDED = {
    f"<mj-section>{{% if lead.company %}}{WORDS.format('one')}{{% endif %}}{WORDS.format('two')}</mj-section>": "1:13: a {% … %} "
    "directly in <mj-section>",
    f"<mj-section>{{% for i in event.items %}}{WORDS.format('{{ i }}')}{{% endfor %}}</mj-section>": "1:13: a {% … %} "
    "directly in <mj-section>",
    f"<mj-section><mj-column width=\"{{{{ event.share }}}}%\"><mj-text>x</mj-text></mj-column>{WORDS.format('two')}</mj-section>":
    "1:24: width depends on the recipient",
    f"<mj-section background-color=\"{{% if lead.company %}}#aaa{{% else %}}#bbb{{% endif %}}\">{WORDS.format('x')}</mj-section>":
    "1:13: background-color depends on the recipient",
    f"<mj-section {{% if lead.company %}}background-color=\"#aaa\"{{% endif %}}>{WORDS.format('x')}</mj-section>":
    "1:12: a condition inside the tag <mj-section>",
    "<mj-section><mj-column><mj-social>{% for i in event.items %}<mj-social-element href='https://x.example'>{{ i }}"
    "</mj-social-element>{% endfor %}</mj-social></mj-column></mj-section>": "1:35: a {% … %} directly in <mj-social>",
}  # fmt: skip


@pytest.mark.parametrize("body", NEEDED, ids=range(len(NEEDED)))
def test_what_mjml_must_know_of_a_person_is_compiled_for_each_and_said(compile_email, values, body):
    artifact, problems = compile_email(body)
    person = values(lead={"company": "Fern"}, event={"items": ["a", "b", "c"], "share": 30})

    mail, parts = render(artifact, person), render_wire(artifact, person)

    assert artifact.is_mjml
    assert problems[0].startswith(f"templates/emails/welcome/body.mjml:{NEEDED[body]}")
    assert "so MJML is read anew for each person" in problems[0]
    written_by_hand, _ = compile_email(Template(body.replace("event.items", 'event["items"]')).render(person))
    assert settled(mail)[1] == settled(render(written_by_hand, person))[1]
    assert quopri.decodestring(parts.html_qp).decode().replace("\r\n", "\n") == mail.html
    assert quopri.decodestring(parts.text_qp).decode().replace("\r\n", "\n") == mail.text


def test_columns_share_the_width_among_those_that_are_there(compile_email, values):
    artifact, _ = compile_email(next(iter(NEEDED)))

    assert "mj-column-per-50" in render(artifact, values(lead={"company": "Fern"})).html
    assert "mj-column-per-50" not in render(artifact, values(lead={"company": None})).html


@pytest.mark.parametrize("name", HOSTILE)
def test_no_value_becomes_a_tag_or_an_attribute_when_mjml_comes_last(compile_email, values, name):
    column = WORDS.format('<b title="{{ lead.company }}">{{ lead.company }}</b>')
    artifact, _ = compile_email(
        f"<mj-section>{{% if lead.company %}}{column}{{% endif %}}{column}</mj-section>".replace(
            "{{ lead.company }}", "{{ lead.company or 1 }}"
        )
    )

    mail, innocent = (render(artifact, values(lead={"company": each})) for each in (name, "Fern"))

    assert mail.html.count("<") == innocent.html.count("<")
    assert mail.html.count('"') == innocent.html.count('"')
    assert name in unescape(mail.html)


STYLED = '<mj-text><b style="color: {{ event.colour }}">x</b></mj-text>'


@pytest.mark.parametrize("colour", ["red; display: none", "url(https://x.example)", "expression(1)", '"', "a" * 80, "a\\62"])
def test_a_value_in_a_style_is_a_colour_or_a_length_or_there_is_no_mail(compile_email, values, colour):
    artifact, problems = compile_email(f"<mj-section><mj-column>{STYLED}</mj-column></mj-section>")

    assert problems == []
    assert 'style="color: #abc"' in render(artifact, values(event={"colour": "#abc"})).html
    with pytest.raises(RenderError, match="no colour, length or plain word"):
        render(artifact, values(event={"colour": colour}))


@pytest.mark.parametrize("colours", [("zqj0jqz", "x"), ("zq", "j0jqz")])
def test_no_value_in_a_style_becomes_a_stand_in_for_another(compile_email, values, colours):
    styled = '<mj-text>{{ lead.email }}<b style="color: {{ event.one }}{{ event.two }}">x</b></mj-text>'
    artifact, _ = compile_email(f"<mj-section>{{% if lead.email %}}<mj-column>{styled}</mj-column>{{% endif %}}</mj-section>")

    assert artifact.is_mjml
    with pytest.raises(RenderError, match="keeps to itself"):
        render(artifact, values(event=dict(zip(("one", "two"), colours, strict=True)), lead={"email": "red; display: none"}))


@pytest.mark.parametrize("share", ["wide", -1, "1e9", '30" height="9', None])
def test_a_width_is_a_number_or_there_is_no_mail(compile_email, values, share):
    artifact, _ = compile_email('<mj-section><mj-column width="{{ event.share }}%"><mj-text>x</mj-text></mj-column></mj-section>')

    assert "mj-column-per-30" in render(artifact, values(event={"share": 30})).html
    with pytest.raises(RenderError, match='the email "welcome" cannot be written for this person'):
        render(artifact, values(event={"share": share}))


def test_a_mail_of_too_many_columns_is_not_written(compile_email, values):
    artifact, _ = compile_email(
        f"<mj-section>{{% for i in event.items %}}{WORDS.format('{{ i }}' * 99)}{{% endfor %}}</mj-section>"
    )

    with pytest.raises(RenderError, match="larger than 512 KB"):
        render(artifact, values(event={"items": ["x"] * 1000}))


def test_half_a_condition_in_a_comment_is_refused(compile_email):
    _, problems = compile_email(f"<mj-section>{WORDS.format('<!-- {% if lead.company %} -->a<!-- {% endif %} -->')}</mj-section>")

    assert [problem.partition(": ")[2] for problem in problems] == [
        "this comment is not sent, but holds one half of a condition; write that outside of it"
    ] * 2


def test_a_condition_inside_the_tag_of_a_link_is_refused(compile_email):
    link = '<a {% if lead.company %}class="x"{% endif %} href="https://x.example">x</a>'

    artifact, problems = compile_email(f"<mj-section>{WORDS.format(link)}</mj-section>")

    assert artifact is None
    assert "a link cannot have {% … %} inside: write the condition around the whole link" in problems[0]
