"""Emails are compiled to artifacts, and every mistake is told with its place."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.render.library import compile_emails, email_names
from engine.render.wire import render


def body(words: str) -> str:
    return f"<mj-section><mj-column><mj-text>{words}</mj-text></mj-column></mj-section>"


def test_an_email_is_its_body_in_its_layout_in_its_brand(compile_email, values):
    artifact, problems = compile_email(body('Hello {{ lead.first_name or "there" }}, from {{ brand.name }}'))

    rendered = render(artifact, values())

    assert problems == []
    assert "Hello Ada, from Fern &amp; Moss" in rendered.html
    assert "Hello Ada, from Fern & Moss" in rendered.text
    assert "Inside: one idea." in rendered.html
    assert "1 Lane, Bristol" in rendered.html


def test_nothing_of_the_brand_is_left_to_do_for_each_recipient(compile_email):
    artifact, _ = compile_email(
        body("{% for line in brand.postal_address %}[{{ line }}]{% endfor %}{% if brand.site %}yes{% endif %}")
    )

    assert "[1 Lane][Bristol]yes" in artifact.html


def test_web_links_are_tracked_and_named(compile_email):
    artifact, _ = compile_email(
        body('<a href="https://fern.example/prices?a=1&amp;b=2" name="pricing">P</a> <a href="https://fern.example/co2">C</a>')
    )

    assert [(link.name, link.target) for link in artifact.links] == [
        ("pricing", "https://fern.example/prices?a=1&b=2"),
        ("/co2", "https://fern.example/co2"),
    ]
    assert '<a href="{{ track }}/c/{{ token }}/0">P</a>' in artifact.html
    assert "P <{{ track }}/c/{{ token }}/0>" in artifact.text


def test_our_own_links_mail_and_telephone_are_not_tracked(compile_email):
    artifact, problems = compile_email(
        body('<a href="{{ web_url }}">w</a><a href="mailto:{{ rep.email }}">m</a><a href="tel:{{ rep.phone }}">t</a>')
    )

    assert problems == []
    assert artifact.links == ()
    assert 'href="mailto:{{ rep.email }}"' in artifact.html


def test_a_link_that_depends_on_the_recipient_is_sealed(compile_email, values):
    artifact, problems = compile_email(body('<a href="https://fern.example/q?c={{ lead.first_name or 0 }}&amp;x=1">q</a>'))
    sealed: list[str] = []

    rendered = render(artifact, values(lead={"first_name": "A&B/ü"}, seal=lambda url: sealed.append(url) or "SEAL"))

    assert problems == []
    assert artifact.links[0].target is None
    assert set(sealed) == {"https://fern.example/q?c=A%26B/%C3%BC&x=1"}
    assert "https://t.example/p/TOKEN/0/SEAL" in rendered.html


def test_the_pixel_is_the_last_thing_in_the_body(compile_email):
    artifact, _ = compile_email(body("x"))

    assert artifact.html.index("{{ track }}/o/{{ token }}") > artifact.html.rindex("</div>")


def test_a_block_gets_texts_values_and_expressions_of_the_recipient(compile_email, values):
    block = body('{{ words }}|{{ who }}|{{ lead.company or words }}|{% if note %}{{ note }}{% endif %}{{ "%.1f"|format(size) }}')
    call = "{{ block('quote', words='a \"b\" & <c>', who=lead.first_name or 'you', size=2) }}"

    artifact, problems = compile_email(call, {"blocks/quote.mjml": block})

    assert problems == []
    assert "a &#34;b&#34; &amp; &lt;c&gt;|Ada|a &#34;b&#34; &amp; &lt;c&gt;|2.0" in render(artifact, values()).html


def test_a_text_given_to_a_block_may_name_the_recipient(compile_email, values):
    call = "{{ block('quote', words='Hi {{ lead.first_name or \"you\" }}!') }}"

    artifact, _ = compile_email(call, {"blocks/quote.mjml": body("{{ words }}")})

    assert "Hi Ada!" in render(artifact, values()).html


def test_loops_over_event_data_become_rows(compile_email, values):
    row = "<tr><td>{{ item.name }}</td><td>{{ item.price|money('GBP') }}</td></tr>"
    table = f"<mj-table><tbody>{{% for item in event.items %}}{row}{{% endfor %}}</tbody></mj-table>"
    artifact, problems = compile_email(f"<mj-section><mj-column>{table}</mj-column></mj-section>")

    rendered = render(artifact, values(event={"items": [{"name": "Hub", "price": 79.0}, {"name": "Kit", "price": 1249.5}]}))

    assert problems == []
    assert "<tr><td>Hub</td><td>£79.00</td></tr><tr><td>Kit</td><td>£1,249.50</td></tr>" in rendered.html
    assert "Hub  £79.00\nKit  £1,249.50\n" in rendered.text


def test_what_a_condition_leaves_out_leaves_no_gap_in_the_text(compile_email, values):
    artifact, _ = compile_email(body("<p>One</p>{% if offer %}<p>{{ offer.title }}</p>{% endif %}<p>Two</p>"))

    assert "One\n\nTwo\n" in render(artifact, values()).text
    assert "One\n\nMore\n\nTwo\n" in render(artifact, values(offer={"title": "More"})).text


def test_a_text_part_by_hand_replaces_ours_and_its_links_are_tracked(compile_email):
    artifact, _ = compile_email(
        body("x"), {"emails/welcome/text.txt": "Dear {{ lead.first_name or 'you' }}: see https://fern.example/co2.\n"}
    )

    assert artifact.text == "Dear {{ lead.first_name or 'you' }}: see {{ track }}/c/{{ token }}/0.\n"


MISTAKES = {
    "{{ leed.first_name }}": 'body.mjml:3:1: unknown name "leed" (did you mean "lead"?)',
    "{{ brand.colours.alarm }}": 'body.mjml:3:1: the brand "Fern & Moss" has no `colours.alarm`; '
    "add it to its file in templates/brands/",
    "{{ brand.type.text }}": 'body.mjml:3:1: the brand "Fern & Moss" has no `type.text`; add it to its file in templates/brands/',
    "{{ lead.frist_name }}": 'body.mjml:3:1: unknown name in lead: "frist_name" (did you mean "first_name"?)',
    "{{ lead.first_name }}": 'body.mjml:3:1: lead.first_name may be missing: write {{ lead.first_name or "…" }}, '
    "or put it inside {% if lead.first_name %}",
    "{{ lead.first_name or }}": "body.mjml:3:1: this cannot be read: unexpected 'end of print statement'",
    "{{ lead.email|safe }}": "body.mjml:3:1: |safe would let a recipient's data become markup; remove it",
    "{{ lead.first_name|defualt('you') }}": 'body.mjml:3:1: unknown filter "defualt" (did you mean "default"?)',
    "{{ block('quote', words='a', wrods='b') }}": 'body.mjml:3:1: the block "quote" has no argument "wrods" '
    '(did you mean "words"?)',
    "{{ block('quote') }}": 'body.mjml:3:1: the block "quote" prints {{ words }}, which is not given here: '
    'block("quote", words="…")',
    "{{ lead.email|shout }}": 'body.mjml:3:1: unknown filter "shout" (did you mean "sort"?)',
    "{{ lead.email.upper() }}": "body.mjml:3:1: a method cannot be called here; use a filter, as in {{ lead.company|upper }}",
    "{% if lead.email %}": "body.mjml:3:1: {% if %} is never closed by {% endif %}",
    "{% if lead.email %}x{% endif & %}": "body.mjml:3:21: this cannot be read: unexpected char '&' at 9",
    "x{% endfor %}": "body.mjml:3:2: {% endfor %} belongs to no {% for %}",
    "{% include 'x' %}": 'body.mjml:3:1: {% include %} is not used in emails: use {{ block("…") }} for a piece of mail, '
    "and a layout for what is around it",
    "{{ lead.email": "body.mjml:3:1: {{ is never closed by }}",
    "{{ block('quot') }}": 'body.mjml:3:1: unknown block "quot" (did you mean "quote"?)',
    "<a href='javascript:x'>y</a>": 'body.mjml:3:4: "javascript:x" is not a link: write https://…, mailto:… or tel:…',
    "<b>x": "body.mjml:3:1: <b> is not closed before </mj-text>",
    "x</b>": "body.mjml:3:2: </b> closes nothing: <mj-text> is open here",
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_is_told_with_its_place(compile_email, mistake):
    known = {"lead": ("key", "email", "first_name", "company")}
    files = {"blocks/quote.mjml": body("{{ words }}")}

    artifact, problems = compile_email(body(f"\n\n{mistake}\n"), files, known=known)

    assert artifact is None
    assert f"templates/emails/welcome/{MISTAKES[mistake]}" in problems


def test_all_mistakes_are_told_at_once_each_in_its_own_file(compile_email):
    files = {
        "blocks/quote.mjml": "\n{{ lead.comapny }}",
        "emails/welcome/email.yaml": "subject: Hi {{ leed.x }}\nstream: marketing\ncolour: red\n",
    }

    _, problems = compile_email(body("{{ block('quote') }}\n{{ rep.fax }}"), files, known={"lead": ("company",)})

    assert [problem.split(": ")[0] for problem in problems] == [
        "templates/blocks/quote.mjml:2:1",
        "templates/emails/welcome/body.mjml:2:1",
        "templates/emails/welcome/email.yaml:1:13",
        "templates/emails/welcome/email.yaml:3:1",
    ]


def test_a_field_inside_its_own_condition_may_be_printed_as_it_is(compile_email):
    _, problems = compile_email(body("{% if lead.company %}at {{ lead.company }}{% endif %}"))

    assert problems == []


def test_a_layout_that_is_not_there_is_told_where_it_is_named(compile_email):
    _, problems = compile_email(body("x"), {"emails/welcome/email.yaml": "subject: x\nstream: marketing\nlayout: wide\n"})

    assert problems == ['templates/emails/welcome/email.yaml:3:9: unknown layout "wide"; there is only default']


def test_an_unknown_brand_or_email_is_a_problem(tmp_path: Path):
    artifacts, problems = compile_emails(tmp_path, {"fern": {}}, [("nosuch", "fern"), ("nosuch", "fren")])

    assert artifacts == {}
    assert [problem.message for problem in problems] == ["this file is missing", 'unknown brand "fren" (did you mean "fern"?)']


def test_the_emails_of_a_workspace_are_its_folders(compile_email, tmp_path: Path):
    compile_email(body("x"))

    assert email_names(tmp_path) == ["welcome"]


def test_the_same_files_make_the_same_artifact(compile_email):
    first, _ = compile_email(body("{{ lead.email }}"))
    second, _ = compile_email(body("{{ lead.email }}"))

    assert first.hash == second.hash


WARNINGS = ("read anew for each person", "placeholder of another program")
FRAGMENTS = st.sampled_from(
    ["{{ ", " }}", "{% ", " %}", "if ", "endif", "for x in ", "endfor", "set y = ", "lead.email", "event.items", "block(", ")",
     "'quote'", "(", "|safe", "|default('x')", "<mj-section>", "</mj-section>", "<mj-column>", "</mj-column>", "<mj-text>", "<b",
     ">", "</mj-text>", "<a href=", '"', "'", "https://x.example/", "<!--", "-->", "{#", "#}", "raw", "endraw", "\n", "é",
     "\u202e", "&", "zqj0jqz", "zqm0mqz", "<![CDATA[", "<?xml", "</", "brand.name", "=", ",", "\\", "\0", "[", "]", "~", "1"],
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FRAGMENTS, max_size=25).map("".join) | st.text(max_size=80))
def test_no_body_makes_the_compiler_raise(compile_email, text):
    files = {"blocks/quote.mjml": body("{{ words }}")}

    for written in (text, body(text)):
        artifact, problems = compile_email(written, files)
        assert (artifact is None) == any(not any(word in problem for word in WARNINGS) for problem in problems)


@pytest.mark.parametrize(
    "text",
    ["{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "<b>" * 3000 + "x" + "</b>" * 3000, "{{ " + "-" * 5000 + "lead.email }}",
     "{% for x in event.items %}" * 25 + "{% endfor %}" * 25, "{{ block('quote') }}",
     "{{ 10 ** 10 ** 9 }}", "{{ 'a' * 10 ** 10 }}", "{{ lead.email" + ".x" * 3000 + " }}",
     "{{ [" + "[" * 3000 + "]" * 3001 + " }}"],
    ids=range(9),
)  # fmt: skip
def test_a_body_that_would_exhaust_the_compiler_is_told_as_a_mistake(compile_email, text):
    artifact, problems = compile_email(body(text), {"blocks/quote.mjml": "{{ block('quote') }}"})

    assert artifact is None
    assert problems


def test_an_authors_comment_is_not_sent(compile_email):
    artifact, _ = compile_email(body("a<!-- do not tell {{ lead.email }} -->b") + "<!-- nor this -->")

    assert "do not tell" not in artifact.html
    assert "nor this" not in artifact.html
    assert "<!--[if mso | IE]>" in artifact.html
    assert "ab" in artifact.html


def test_a_recipients_link_in_a_comment_for_outlook_is_refused(compile_email):
    _, problems = compile_email(body('<!--[if mso]><a href="{{ lead.email }}">x</a><![endif]-->'))

    assert any("a link in a comment cannot depend on the recipient" in problem for problem in problems)


@pytest.mark.parametrize("root", ["offer", "collateral"])
def test_what_there_may_be_none_of_must_be_asked_for_first(compile_email, values, root):
    unasked, told = compile_email(body(f"{{{{ {root}.title }}}}"))
    half_asked, again = compile_email(body(f"{{% if {root}.title %}}yes{{% endif %}}"))
    artifact, problems = compile_email(
        body(f"{{% if {root} %}}We attach {{{{ {root}.title }}}}{{% endif %}}, {{{{ {root}.title if {root} else 'none' }}}}")
    )

    assert unasked is half_asked is None
    assert f"there may be no {root}: put this inside {{% if {root} %}}" in told[0] and told[0][-20:] == again[0][-20:]
    assert problems == []
    assert ", none" in render(artifact, values()).text


def test_a_block_in_a_loop_gets_what_the_loop_makes(compile_email, values):
    row = "<tr><td>{{ name }}</td>{% if detail %}<td>{{ detail }}</td>{% endif %}</tr>"
    rows = (
        "{% for item in event.items %}"
        "{{ block('row', name=item.name, detail=\"{{ loop.index }}: {{ item.n | int }}\") }}{% endfor %}"
        "{% for each in [{'name': 'fixed'}] %}{{ block('row', name=each.name, detail=each.detail) }}{% endfor %}"
    )
    table = f"<mj-section><mj-column><mj-table><tbody>{rows}</tbody></mj-table></mj-column></mj-section>"

    artifact, problems = compile_email(table, {"blocks/row.mjml": row})

    rendered = render(artifact, values(event={"items": [{"name": "a", "n": 4.0}, {"name": "b", "n": 5.0}]}))
    assert problems == []
    assert "a  1: 4" in rendered.text and "b  2: 5" in rendered.text and "fixed" in rendered.text


def test_a_name_that_a_loop_makes_is_the_callers_alone(compile_email):
    _, problems = compile_email(
        "{% for item in event.items %}{{ block('row') }}{% endfor %}", {"blocks/row.mjml": body("{{ item }}")}
    )

    assert len(problems) == 1 and 'the block "row" prints {{ item }}, which is not given here' in problems[0]


def test_what_is_asked_for_around_a_block_is_asked_for_in_its_texts(compile_email):
    called = body("{{ text }}")

    _, problems = compile_email(
        "{% if lead.company %}{{ block('words', text='At {{ lead.company }}') }}{% endif %}", {"blocks/words.mjml": called}
    )
    _, unasked = compile_email("{{ block('words', text='At {{ lead.company }}') }}", {"blocks/words.mjml": called})

    assert problems == []
    assert len(unasked) == 1 and "lead.company may be missing" in unasked[0]
