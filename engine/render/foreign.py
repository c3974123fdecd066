"""What to write instead of the words of other template languages, which end up in templates as they are carried over.

Before: `engine.render.fold` and `engine.render.groups` cannot read a token. After: the author is told in our words. A placeholder
that no language of ours knows is text to us, and `engine.render.lint` warns that it would be sent.
"""

import re

OURS = 'there are if, for, set and {{ block("…") }}'
WORDS = "write the words themselves"
BLOCK = 'use {{ block("…") }} for a piece of mail, and a layout for what is around it'
INSTEAD = {
    "load": "take it out",
    "csrf_token": "take it out",
    **dict.fromkeys(("trans", "translate", "blocktrans", "blocktranslate", "endblocktrans", "endblocktranslate"), WORDS),
    **dict.fromkeys(("url", "static", "path"), "write the address itself, or {{ links.… }}"),
    **dict.fromkeys(("include", "extends", "block", "endblock", "macro", "import", "from", "call", "render", "partial"), BLOCK),
    **dict.fromkeys(("assign", "with", "capture", "let"), "write {% set … = … %}"),
    "unless": "write {% if not … %}",
    "endunless": "write {% endif %}",
    **dict.fromkeys(("elseif", "elsif", "elif:"), "write {% elif … %}"),
    "empty": "write {% else %}",
    **dict.fromkeys(("comment", "endcomment"), "write {# … #}"),
    **dict.fromkeys(("case", "when", "switch"), "write {% if … %}, {% elif … %}"),
}
HANDLEBARS = re.compile(r"\{\{\{|\{\{~?[#^/>&]")
ENTITY = re.compile(r"&(?:[lg]t|amp|quot|#\d+);")
COLON = re.compile(r"\|\s*\w+\s*:")
CURLY_QUOTE = re.compile(r"[=(,\[:]\s*[“”„‘’«»]")
CALL = re.compile(r"\{\{-?\s*\w+\(")
IN_A_CALL = '; look for a comma, quote or bracket that is missing; inside a text, a quote is written \\"'
NAMESPACE = re.compile(r"\{\{\s*var:")
PLACEHOLDER = re.compile(r"\[\[\s*[A-Za-z_][\w.: -]*\]\]|\*\|[A-Za-z_][\w:]*\|\*|%%[A-Za-z_]\w*%%|\$\{[A-Za-z_][\w.]*\}")


def of_statement(keyword: str) -> str:
    """What to write instead of a `{% … %}` that begins with this word."""
    return INSTEAD.get(keyword, OURS)


def of_token(text: str) -> str:
    """What to write instead of a token that is not Jinja; empty: nothing is known."""
    if HANDLEBARS.match(text):
        return "; this is Handlebars: write {% if … %}…{% endif %}, {% for … in … %}…{% endfor %} or {{ … }}"
    if ENTITY.search(text):
        return "; write < > & and quotes themselves inside {{ … }} and {% … %}"
    if NAMESPACE.match(text):
        return "; write {{ lead.… }} or {{ event.… }}"
    if COLON.search(text):
        return '; write what a filter takes in brackets, as in | default("…")'
    if CURLY_QUOTE.search(text):
        return '; put straight quotes around a text: "…"'
    return IN_A_CALL if CALL.match(text) else ""
