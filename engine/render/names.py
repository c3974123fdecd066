"""Checks a token that waits for the recipient: only known names, only what the sandbox has, nothing that may come out blank.

Before: `engine.render.fold` has found that the token depends on the recipient. After: the token goes into the artifact.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import TemplateSyntaxError, meta, nodes

from engine.render.pieces import Kind, Piece
from engine.render.problems import Place, Problems
from engine.render.sandbox import make_sandbox

GRAMMAR = make_sandbox(autoescape=True)
GRAMMAR.filters["safe"] = str  # parsed here, refused below with a reason

# What every email may use. None: any name below it.
ROOTS: Mapping[str, Collection[str] | None] = {
    "lead": None,
    "rep": ("name", "email", "phone"),
    "event": None,
    "offer": ("title", "text", "link", "button"),
    "collateral": ("title", "titles"),
    "unsubscribe_url": (),
    "web_url": (),
}
UNKNOWN = re.compile(r"No (filter|test) named '(.*)'\.")  # as Jinja says it
NEVER_MISSING = ("key", "email")
NULLABLE_ROOT = "lead"
MAY_BE_NOTHING = ("offer", "collateral")  # as a whole


@dataclass(frozen=True, slots=True)
class Names:
    """The names that exist for the recipient, and those a loop or `set` around the token has made."""

    known: Mapping[str, Collection[str] | None]
    bound: frozenset[str]
    guarded: frozenset[str]  # what an `if` around the token has asked for, as `asked_fields` has it

    def has(self, root: str, field: str) -> bool:
        """Whether there is such a field, as far as anybody knows."""
        fields = self.known.get(root)
        return fields is None or field in fields


def parse_token(piece: Piece) -> nodes.Template:
    """The syntax tree of one token by itself. Raises TemplateSyntaxError."""
    text = piece.text
    if piece.kind == Kind.STATEMENT:
        text = {
            "if": f"{text}{{% endif %}}",
            "elif": f"{{% if 1 %}}{text}{{% endif %}}",
            "for": f"{text}{{% endfor %}}",
        }.get(piece.keyword, text)
    return parse(text)


@lru_cache(4096)  # layouts and blocks have the same tokens in every email
def parse(text: str) -> nodes.Template:
    return GRAMMAR.parse(text)


@lru_cache(4096)
def names_in(tree: nodes.Template) -> frozenset[str]:
    """The names that the token expects from outside. Raises TemplateSyntaxError for an unknown filter or test."""
    return frozenset(meta.find_undeclared_variables(tree))


def targets_of(tree: nodes.Template) -> set[str]:
    """The names that a `for` or `set` makes."""
    return {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"}


def asked_fields(tree: nodes.Template) -> set[str]:
    """The lead's fields that a condition mentions, and `offer.` and the like where it asks whether there is one."""
    fields = {field for root, field in paths_in(tree) if root == NULLABLE_ROOT}
    return fields | {f"{root}." for root in MAY_BE_NOTHING if asks_for(tree, root)}


def asks_for(tree: nodes.Template, root: str) -> bool:
    """Whether the name stands by itself somewhere, and not only before a dot."""
    named = sum(name.name == root for name in tree.find_all(nodes.Name))
    return named > sum(of == root for of, _ in paths_in(tree))


def check_token(piece: Piece, names: Names, place: Place, problems: Problems) -> None:
    """Report everything that is wrong with a token of the recipient's."""
    try:
        tree = parse_token(piece)
        expected = names_in(tree) - names.bound
    except TemplateSyntaxError as error:
        report_syntax(error, place, problems)
        return
    for name in sorted(expected - set(names.known)):
        problems.unknown(place, "name", name, {*names.known, *names.bound})
    check_paths(tree, names, place, problems)
    check_means(tree, place, problems)
    check_blank(tree, names, place, problems)
    check_nothing(tree, names, place, problems)


def report_syntax(error: TemplateSyntaxError, place: Place, problems: Problems, instead: str = "") -> None:
    """Report a token that cannot be read, in Jinja's words and what to write instead, or a filter or test there is not."""
    if unknown := UNKNOWN.fullmatch(error.message or ""):
        problems.unknown(place, unknown[1], unknown[2], GRAMMAR.filters if unknown[1] == "filter" else GRAMMAR.tests)
    else:
        problems.add(place, f"this cannot be read: {error.message}{instead}")


def check_paths(tree: nodes.Template, names: Names, place: Place, problems: Problems) -> None:
    for root, field in paths_in(tree):
        if root not in names.bound and not names.has(root, field):
            problems.unknown(place, f"name in {root}:", field, names.known[root] or ())


def paths_in(tree: nodes.Template) -> Iterator[tuple[str, str]]:
    """Every `root.field` and `root["field"]`."""
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if path := path_of(node):
            yield path


def path_of(node: nodes.Node) -> tuple[str, str] | None:
    match node:
        case nodes.Getattr(node=nodes.Name(name=root), attr=field):
            return root, field
        case nodes.Getitem(node=nodes.Name(name=root), arg=nodes.Const(value=str(field))):
            return root, field
    return None


def check_means(tree: nodes.Template, place: Place, problems: Problems) -> None:
    """Nothing may be called, and no value of the recipient's may become markup."""
    for call in tree.find_all(nodes.Call):
        name = f"{call.node.name}(…)" if isinstance(call.node, nodes.Name) else "a method"
        problems.add(place, f"{name} cannot be called here; use a filter, as in {{{{ lead.company|upper }}}}")
    for used in tree.find_all(nodes.Filter):
        if used.name == "safe":
            problems.add(place, "|safe would let a recipient's data become markup; remove it")
        if used.name == "format" and not isinstance(used.node, nodes.Const):
            problems.add(place, '|format needs a fixed text before it, as in {{ "%.2f"|format(event.total) }}')


def check_blank(tree: nodes.Template, names: Names, place: Place, problems: Problems) -> None:
    """A field that may be missing must not be printed without a fallback: no one is greeted as "Hello None"."""
    for output in tree.find_all(nodes.Output):
        for printed in output.nodes:
            root, field = path_of(unfiltered(printed)) or ("", "")
            if root == NULLABLE_ROOT and names.has(root, field) and field not in names.guarded and field not in NEVER_MISSING:
                told = f'{{{{ lead.{field} or "…" }}}}'
                problems.add(place, f"lead.{field} may be missing: write {told}, or put it inside {{% if lead.{field} %}}")


def check_nothing(tree: nodes.Template, names: Names, place: Place, problems: Problems) -> None:
    """What there may be none of must be asked for before anything of it is named."""
    for root in MAY_BE_NOTHING:
        is_named = root not in names.bound and any(of == root for of, _ in paths_in(tree))
        if is_named and f"{root}." not in names.guarded and not asks_for(tree, root):
            problems.add(place, f"there may be no {root}: put this inside {{% if {root} %}}")


def unfiltered(node: nodes.Node) -> nodes.Node:
    """The expression under its filters, but for a filter that gives a fallback."""
    while isinstance(node, nodes.Filter) and node.name not in ("default", "d") and node.node is not None:
        node = node.node
    return node
