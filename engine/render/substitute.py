"""Rewrites the inside of one Jinja token by its words, leaving everything else as typed.

Before: `engine.render.fold` knows what a name is worth. After: the token names only what the recipient's values have.
"""

from collections.abc import Iterator, Mapping

from jinja2 import nodes

from engine.render.names import GRAMMAR

OPENING, CLOSING = "([{", ")]}"


def put_in_place(token: str, worth: Mapping[str, str]) -> str:
    """The token with each name replaced by its expression; attributes, filters, tests and keywords of that name stay."""
    words = [(kind, text) for _, kind, text in GRAMMAR.lex(token)]
    solid = [index for index, (kind, _) in enumerate(words) if kind != "whitespace"]
    replaced = [text for _, text in words]
    for order, index in enumerate(solid):
        kind, text = words[index]
        before = words[solid[order - 1]][1] if order else ""
        after = words[solid[order + 1]][1] if order + 1 < len(solid) else ""
        if kind == "name" and text in worth and before not in (".", "|", "is") and after != "=":
            replaced[index] = worth[text]
    return "".join(replaced)


def arguments_of(call: str) -> list[tuple[str, str]]:
    """The arguments of the one call in a token as (keyword or "", expression)."""
    inside = call[call.index("(") + 1 : call.rindex(")")]
    return [named(words) for words in split_at_commas(inside) if "".join(words).strip()]


def split_at_commas(inside: str) -> Iterator[list[str]]:
    """The words of each argument. Commas in brackets do not count."""
    words: list[str] = []
    depth = 0
    for _, kind, text in list(GRAMMAR.lex("{{" + inside + "}}"))[1:-1]:
        if kind == "operator":
            depth += (text in OPENING) - (text in CLOSING)
        if text == "," and kind == "operator" and depth == 0:
            yield words
            words = []
        else:
            words.append(text)
    yield words


def named(words: list[str]) -> tuple[str, str]:
    solid = [word for word in words if word.strip()]
    if len(solid) > 2 and solid[1] == "=":
        return solid[0], "".join(words[words.index("=") + 1 :]).strip()
    return "", "".join(words).strip()


def is_call_of(name: str, tree: nodes.Template) -> bool:
    """Whether the token is nothing but a call of that name."""
    match tree.body:
        case [nodes.Output(nodes=[nodes.Call(node=nodes.Name(name=called))])]:
            return called == name
    return False
