"""What mrml passes over in silence is told to the author, with the place."""

import pytest


def section(inside: str) -> str:
    return f"<mj-section><mj-column>\n{inside}</mj-column></mj-section>"


MISTAKES = {
    "<mj-txt>x</mj-txt>": '2:1: unknown tag "mj-txt" (did you mean "mj-text"?)',
    "<MJ-TEXT>x</MJ-TEXT>": '2:1: unknown tag "MJ-TEXT"',
    "<div>x</div>": "2:1: <div> must be inside <mj-text>, <mj-table> or <mj-raw>",
    '<mj-text colour="#fff">x</mj-text>': '2:10: unknown attribute of <mj-text>: "colour" (did you mean "color"?)',
    '<mj-text color="a" color="b">x</mj-text>': "2:20: <mj-text> has the attribute color twice",
    "<mj-text>x</mj-button></mj-text>": "2:11: </mj-button> closes nothing: <mj-text> is open here",
    "<mj-text>x": "2:1: <mj-text> is not closed before </mj-column>",
    "<mj-text><p>x</mj-text>": "2:10: <p> is not closed before </mj-text>",
    "<mj-section></mj-section>": "2:1: <mj-section> cannot be in <mj-column>; it belongs in <mj-body> or <mj-wrapper>",
    "words": "2:1: text directly in <mj-column>: put it inside <mj-text>",
    "{{ lead.email }}": "2:1: text directly in <mj-column>: put it inside <mj-text>",
    '<mj-text><mj-button href="https://x.example">x</mj-button></mj-text>': "2:10: <mj-button> "
    "cannot be in <mj-text>, which holds HTML",
    "<mj-text><script>x</script></mj-text>": "2:10: <script> is not for mail: mail programs drop it or warn of it",
    '<mj-raw><meta http-equiv="refresh" content="0; url=https://x.example" /></mj-raw>': "2:9: <meta> is not for mail: "
    "mail programs drop it or warn of it",
    '<mj-text><b onclick="x">y</b></mj-text>': "2:13: onclick would be a script, which no mail program runs",
    '<mj-text><A HREF="javascript:x">y</A></mj-text>': '2:13: "javascript:x" is not a link: write https://…, mailto:… or tel:…',
    '<mj-text><P Style="color: red" STYLE="color: blue">y</P></mj-text>': "2:32: <p> has the attribute style twice",
    "<mj-text><!--[if mso]><p style='color: {{ rep.phone }}'>y</p><![endif]--></mj-text>": (
        "2:10: a style in a comment cannot depend on the recipient"
    ),
    "<mj-text><!--[if mso]><STYLE>p { color: {{ rep.phone }}; }</STYLE><![endif]--></mj-text>": (
        "2:10: a style in a comment cannot depend on the recipient"
    ),
    '<mj-text><svg><a xlink:href="java&#10;script:x">y</a></svg></mj-text>': (
        "2:18: xlink:href would be a script, which no mail program runs"
    ),
    '<mj-text><p style="background: url(javascript:x)">y</p></mj-text>': (
        "2:13: style would be a script, which no mail program runs"
    ),
    '<mj-image alt="x" src="JavaScript:x" />': "2:19: src would be a script, which no mail program runs",
    '<mj-image src="https://x.example/a.png" width="wide" />': '2:41: width="wide" is not a length like 20px or 50%',
    "<mj-text {{ lead.email }}>x</mj-text>": "2:9: {{ lead.email }} cannot be an attribute; it can stand inside quotes",
    '<mj-include path="x.mjml" />': "2:1: templates/emails/welcome/x.mjml: this file is missing",
    '<mj-include path="../../../x.mjml" />': '2:1: write path="…" with a file inside templates/, as seen from this file',
    '<mj-include path="body.mjml" />': "2:1: files include each other without end; keep in it only what is to stand here",
    "<mj-container></mj-container>": "2:1: <mj-container> is not used here: it is of MJML 3; put what is in it directly into "
    "<mj-body>",
    "<mj-text><![CDATA[x]]></mj-text>": "2:10: write the text itself, without <![CDATA[ and ]]>",
    "<mj-text><%= name %></mj-text>": "2:10: <% … %> is of another program; write {{ … }} or {% … %}",
    "{{ block(“quote”, text=“a”) }}": "2:1: this cannot be read: unexpected char '“' at 9; put straight quotes around "
    'a text: "…"',
    '{{ block("quote", text="a" who="b") }}': "2:1: this cannot be read: expected token ',', got 'who'; look for a comma, "
    'quote or bracket that is missing; inside a text, a quote is written \\"',
    "<mj-text>{{#if name}}x{{/if}}</mj-text>": "2:10: this cannot be read: unexpected char '#' at 2; this is Handlebars: write "
    "{% if … %}…{% endif %}, {% for … in … %}…{% endfor %} or {{ … }}",
    "<mj-text>{{ lead.email|default:'x' }}</mj-text>": "2:10: this cannot be read: expected token "
    "'end of print statement', got ':'; write what a filter takes in brackets, as in | default(\"…\")",
    "<mj-text>{% if 3 &gt; 2 %}x{% endif %}</mj-text>": "2:10: this cannot be read: unexpected char '&' at 8; write < > & and "
    "quotes themselves inside {{ … }} and {% … %}",
    "<mj-text>{% load i18n %}</mj-text>": "2:10: {% load %} is not used in emails: take it out",
    "<mj-text>{% trans 'x' %}</mj-text>": "2:10: {% trans %} is not used in emails: write the words themselves",
    "<mj-text>{% url 'home' %}</mj-text>": "2:10: {% url %} is not used in emails: write the address itself, or {{ links.… }}",
    "<mj-text color=red>x</mj-text>": "2:1: this tag cannot be read: attributes need quotes, as in a=\"b\"",
    '<mj-button href="{% if lead.email %}https://x.example{% endif %}">x</mj-button>': "2:12: a link cannot have {% … %} inside: "
    "write the condition around the whole link",
    '<mj-button href="https://{{ lead.email }}.example/">x</mj-button>': "2:12: a link must begin with its fixed host, "
    "as in https://example.com/{{ … }}, or be one value",
    '<mj-button href="www.x.example">x</mj-button>': '2:12: "www.x.example" is not a link: write https://…, mailto:… or tel:…',
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_in_the_markup_is_told_with_its_place(compile_email, mistake):
    artifact, problems = compile_email(section(mistake))

    assert artifact is None
    assert f"templates/emails/welcome/body.mjml:{MISTAKES[mistake]}" in problems


def test_a_mistake_in_the_layout_or_a_block_is_told_in_that_file(compile_email):
    layout = (
        "<mjml><mj-head><mj-html-attributes /></mj-head>\n<mj-body><!-- body -->\n"
        "<mj-section><mj-column><mj-text><a href='{{ unsubscribe_url }}'>u</a></mj-text></mj-colum></mj-section></mj-body></mjml>"
    )

    _, problems = compile_email("{{ block('one') }}", {"layouts/default.mjml": layout, "blocks/one.mjml": "\n  <mj-sektion />"})

    assert problems == [
        'templates/blocks/one.mjml:2:3: unknown tag "mj-sektion" (did you mean "mj-section"?)',
        "templates/layouts/default.mjml:1:16: <mj-html-attributes> is not used here: it is not read here; "
        "write the attribute where it belongs",
        "templates/layouts/default.mjml:3:13: <mj-column> is not closed before </mj-section>",
        "templates/layouts/default.mjml:3:80: </mj-colum> closes nothing: <mj-column> is open here",
    ]


@pytest.mark.parametrize(
    "markup",
    [
        "<mj-text>a & b, 3 > 2, &nbsp;&copy; 🤷🏽‍♀️<br>x<br/>y<hr></mj-text>",
        '<mj-image src="https://x.example/a.png" alt="Zoë \u200d says &quot;hi\\ho&quot; 🤷🏽‍♀️" width="200px" />',
        "<mj-raw><table><tr><td>x</td></tr></table></mj-raw>",
        "<mj-text><!-- a comment with <b> --></mj-text>",
        "<mj-divider border-color='#ccc' /><mj-spacer height='20px' />",
        '<mj-social><mj-social-element name="linkedin-noshare" href="https://x.example/us">us</mj-social-element></mj-social>',
    ],
)
def test_ordinary_markup_is_left_alone(compile_email, markup):
    artifact, problems = compile_email(section(markup))

    assert problems == []
    assert "\\u{" not in artifact.html and '\\"' not in artifact.html


def test_an_inline_style_reaches_the_elements_and_moves_no_loop(compile_email):
    layout = (
        '<mjml><mj-head><mj-style inline="inline">td.price { color: #123456; }</mj-style></mj-head><mj-body><!-- body -->'
        '<mj-section><mj-column><mj-text><a href="{{ unsubscribe_url }}">u</a></mj-text></mj-column></mj-section>'
        "</mj-body></mjml>"
    )
    rows = '<mj-table><tbody>{% for i in event.items %}<tr><td class="price">{{ i }}</td></tr>{% endfor %}</tbody></mj-table>'

    artifact, problems = compile_email(section(rows), {"layouts/default.mjml": layout})

    assert problems == []
    assert (
        '<tbody>{% for i in event.items %}<tr><td class="price" style="color: #123456;">{{ i }}</td></tr>{% endfor %}</tbody>'
        in artifact.html
    )
