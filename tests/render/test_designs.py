"""Designs that were drawn for another compiler: whole documents, includes, menus, fonts, and what other programs fill in."""

import time

import pytest

from engine.render.wire import render
from tests.render.conftest import EMAIL, text_body

WHOLE = "<mjml><mj-head><mj-title>t</mj-title></mj-head><mj-body>{}</mj-body></mjml>"


def column(inside: str) -> str:
    return f"<mj-section><mj-column>{inside}</mj-column></mj-section>"


@pytest.mark.parametrize(
    "before", ["", "\n<!-- a design > of ours -->\n", "<!doctype mjml>\n", '<?xml version="1.0"?>', "{# note #}"]
)
def test_a_body_that_is_a_whole_document_needs_no_layout(compile_email, values, before):
    artifact, problems = compile_email(before + WHOLE.format(text_body("{{ lead.email }}")))

    mail = render(artifact, values())

    assert problems == []
    assert "Unsubscribe" not in mail.html, "the layout's"
    assert "ada@example.com" in mail.html
    assert "Inside: one idea." in mail.html, "the preheader, which the document has not"


def test_a_whole_document_keeps_its_own_preview(compile_email, values):
    artifact, _ = compile_email(WHOLE.replace("</mj-head>", "<mj-preview>Mine.</mj-preview></mj-head>").format(text_body("x")))

    mail = render(artifact, values())

    assert "Mine." in mail.html
    assert "Inside: one idea." not in mail.html


def test_a_whole_document_with_a_layout_is_told_what_to_do(compile_email):
    _, problems = compile_email(WHOLE.format(text_body("x")), {"emails/welcome/email.yaml": EMAIL + "layout: default\n"})

    assert problems == [
        "templates/emails/welcome/email.yaml:4:9: body.mjml is a whole <mjml>, which has no layout: remove this line, or keep "
        "what is inside <mj-body> only"
    ]


def test_included_files_stand_where_they_are_named(compile_email, values):
    files = {
        "parts/top.mjml": text_body("Top of {{ lead.email }}") + "<mj-include path='inner.html' type='html' />",
        "parts/inner.html": "<p>Inner</p>",
        "parts/look.css": "p.x { color: #123456; }",
    }
    head = "<mj-include path='../../parts/look.css' type='css' css-inline='inline' />"
    document = WHOLE.replace("</mj-head>", f"{head}</mj-head>").format(
        "<mj-include path='../../parts/top.mjml' />" + text_body('<p class="x">y</p>')
        + "<!-- <mj-include path='nowhere.mjml' /> -->"
    )  # fmt: skip

    artifact, problems = compile_email(document, files)

    mail = render(artifact, values())
    assert problems == []
    assert mail.text.startswith("Top of ada@example.com\n\nInner\n\ny")
    assert '<p class="x" style="color: #123456;">y</p>' in mail.html


def test_a_mistake_in_an_included_file_is_told_in_that_file(compile_email):
    _, problems = compile_email("<mj-include path='part.mjml'></mj-include>", {"emails/welcome/part.mjml": "\n<mj-sektion />"})

    assert problems == ['templates/emails/welcome/part.mjml:2:1: unknown tag "mj-sektion" (did you mean "mj-section"?)']


def test_a_statement_in_mj_raw_counts_in_html_and_text(compile_email, values):
    """So does a production template that another compiler, which drops loose text, must understand as well."""
    body = "<mj-raw>{% if lead.company %}</mj-raw>" + text_body("At {{ lead.company }}") + "<mj-raw>{% endif %}</mj-raw>"

    artifact, problems = compile_email(body + text_body("end"))

    assert problems == []
    assert "At Fern" in render(artifact, values(lead={"company": "Fern"})).text
    nobody = render(artifact, values(lead={"company": None}))
    assert "At " not in nobody.html
    assert nobody.text.startswith("end")


def test_a_loop_in_mj_raw_around_columns_shares_the_width(compile_email, values):
    one = "<mj-column><mj-text>{{ i }}</mj-text></mj-column>"
    body = f"<mj-section><mj-raw>{{% for i in event.items %}}</mj-raw>{one}<mj-raw>{{% endfor %}}</mj-raw></mj-section>"

    artifact, problems = compile_email(body)

    assert "read anew for each person" in problems[0]
    assert "mj-column-per-50" in render(artifact, values(event={"items": ["a", "b"]})).html


def test_words_in_mj_raw_are_in_the_text_part_and_styles_are_not(compile_email, values):
    artifact, _ = compile_email(column("<mj-raw><style>a { color: red }</style><p>Raw <b>words</b></p></mj-raw>"))

    assert render(artifact, values()).text.startswith("Raw words\n")


def test_a_menus_links_lead_where_its_base_says(compile_email):
    links = (
        '<mj-navbar-link href="/a" name="first">A</mj-navbar-link><mj-navbar-link href="https://y.example/b">B</mj-navbar-link>'
    )

    artifact, problems = compile_email(column(f'<mj-navbar base-url="https://x.example">{links}</mj-navbar>'))

    assert [(link.name, link.target) for link in artifact.links] == [
        ("first", "https://x.example/a"),
        ("/b", "https://y.example/b"),
    ]
    assert 'href="{{ track }}/c/{{ token }}/0"' in artifact.html
    assert problems == [
        "templates/emails/welcome/body.mjml:1:24: <mj-navbar>: only Apple Mail folds it into a menu; the rest show a row of "
        "words, as do links in <mj-text>"
    ]


def test_a_network_named_for_sharing_gets_a_link_to_share(compile_email):
    page = "https://x.example/p?a=1&amp;b=2"
    artifact, problems = compile_email(
        column(f'<mj-social><mj-social-element name="linkedin" href="{page}">x</mj-social-element></mj-social>')
    )

    assert artifact.links[0].target == (
        "https://www.linkedin.com/shareArticle?mini=true&url=https%3A%2F%2Fx.example%2Fp%3Fa%3D1%26b%3D2&title=&summary=&source="
    )
    assert "linkedin.com" not in artifact.html
    assert 'name="linkedin" makes a link for sharing; name="linkedin-noshare" leads to your page' in problems[0]


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("<mj-accordion><mj-accordion-element><mj-accordion-title>Why</mj-accordion-title><mj-accordion-text>Because <b>so</b>."
         "</mj-accordion-text></mj-accordion-element></mj-accordion>", ["Why", "Because so."]),
        ('<mj-carousel><mj-carousel-image src="https://x.example/a.png" href="https://x.example/a" alt="First" /></mj-carousel>',
         ["First <https://t.example/c/TOKEN/0>"]),
        ("<mj-hero><mj-text>On a picture</mj-text></mj-hero>", []),
    ],
)  # fmt: skip
def test_what_few_programs_show_keeps_its_words_in_the_text(compile_email, values, inside, words):
    artifact, problems = compile_email(column(inside) if "hero" not in inside else inside)

    text = render(artifact, values()).text

    assert all(word in text for word in words)
    assert all("<mj-accordion>" in problem or "<mj-carousel>" in problem for problem in problems)


def test_a_font_is_loaded_and_said_to_be_so(compile_email, values):
    font = '<mj-font name="Inter" href="https://fonts.example/inter.css" />'
    document = WHOLE.replace("</mj-head>", f"{font}</mj-head>").format(column('<mj-text font-family="Inter, Arial">x</mj-text>'))

    artifact, problems = compile_email(document)

    assert 'href="https://fonts.example/inter.css"' in artifact.html
    assert "the rest show the next of font-family" in problems[0]


def test_a_width_without_a_unit_is_in_pixels(compile_email, values):
    image = '<mj-image src="https://x.example/a.png" alt="a" width="{}" />'

    plain, problems = compile_email(column(image.format(120)))
    personal, _ = compile_email(column(image.format("{{ event.width }}")))

    assert problems == []
    assert 'width="120"' in plain.html
    assert 'width="120"' in render(personal, values(event={"width": 120})).html


def test_what_mj_attributes_says_of_the_body_and_of_icons_is_so(compile_email):
    said = '<mj-body background-color="#abcdef" /><mj-accordion-element icon-wrapped-url="https://x.example/w.png" />'
    opened = "<mj-accordion-element><mj-accordion-title>t</mj-accordion-title></mj-accordion-element>"
    accordion = f'<mj-accordion icon-unwrapped-url="https://x.example/u.png">{opened}</mj-accordion>'
    document = WHOLE.replace("</mj-head>", f"<mj-attributes>{said}</mj-attributes></mj-head>").format(column(accordion))

    artifact, _ = compile_email(document)

    assert "background-color:#abcdef" in artifact.html
    assert 'src="https://x.example/w.png"' in artifact.html
    assert 'src="https://x.example/u.png"' in artifact.html


@pytest.mark.parametrize("name", ["[[FirstName]]", "*|FNAME|*", "%%first%%", "${name}"])
def test_a_placeholder_of_another_program_is_warned_of(compile_email, name):
    artifact, problems = compile_email(text_body(f"Hello {name}"))

    assert artifact is not None
    assert problems == [
        f'templates/emails/welcome/body.mjml:1:39: "{name}" is a placeholder of another program and would be sent as it is; '
        "write {{ lead.… }} or the like"
    ]


@pytest.mark.parametrize("query", ["a=1&region=eu&copy=2", "a=1&amp;region=eu&amp;copy=2"])
def test_an_address_keeps_what_looks_like_an_entity(compile_email, query):
    artifact, _ = compile_email(text_body(f'<a href="https://x.example/?{query}">x</a>'))

    assert artifact.links[0].target == "https://x.example/?a=1&region=eu&copy=2"


HOSTILE = {
    "unclosed": "<mj-section><mj-column><mj-text>x",
    "20,000 nested tags": "<b>" * 20_000,
    "256 KB of <": "<" * 250_000,
    "256 KB of tokens": "{{ lead.email }}" * 15_000,
    "256 KB of attributes": text_body("<b " + 'a="1" ' * 40_000 + ">x</b>"),
    "10 MB": "x" * 10_000_000,
    "NUL": text_body("a\0b"),
    "a word of ours": text_body("zqj9jqz"),
    "a block in itself": "{{ block('again') }}",
    "loops without end": text_body("{% for a in [1,2,3,4,5,6,7,8,9] %}" * 8 + "x" + "{% endfor %}" * 8),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_what_would_exhaust_the_compiler_is_told_with_its_line_at_once(compile_email, body):
    began = time.process_time()

    artifact, problems = compile_email(body, {"blocks/again.mjml": "{{ block('again') }}" * 100})

    assert artifact is None
    assert problems[0].startswith(("templates/emails/welcome/body.mjml:", "templates/blocks/again.mjml:"))
    assert time.process_time() - began < 2  # half a second on a machine that does nothing else


@pytest.mark.parametrize("data", [bytes(range(256)), "x".encode("utf-16"), b"\xff\xfe"])
def test_a_file_that_is_not_text_is_told(compile_email, tmp_path, data):
    compile_email(text_body("x"))
    (tmp_path / "templates/blocks").mkdir()
    (tmp_path / "templates/blocks/odd.mjml").write_bytes(data)

    _, problems = compile_email("{{ block('odd') }}")

    assert problems[0].partition(": ")[2] == "this file is not text in UTF-8; save it as that"


def test_line_ends_and_a_byte_order_mark_are_of_no_meaning(compile_email):
    artifact, problems = compile_email("\ufeff" + text_body("a\r\n{{ lead.email( }}"))

    assert artifact is None
    assert problems[0].startswith("templates/emails/welcome/body.mjml:2:1: this cannot be read")
