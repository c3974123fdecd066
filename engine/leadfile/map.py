"""The map of a lead file: which column, text or lookup fills which field of a lead. Pure.

Before: the marketer writes `map.yaml`. After: `engine.leadfile.rows` reads each row of the file by it. The places of mistakes
are told with file, line and column, all at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.compiler.diagnostics import Findings
from engine.compiler.source import Listing, Mapping, Node, Scalar, read_alone
from engine.errors import ImportFileError
from engine.expressions.fields import LeadSchema
from engine.vocabulary import Consent

KEYS = ("not_answered", "unpack_quoted_rows", "key", "email", "zone", "fields", "consent", "do_not_call", "do_not_email")
YES = ("yes", "true", "on")
TEMPLATES = ImmutableSandboxedEnvironment(autoescape=False, undefined=StrictUndefined)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """How one value is found in a row: a `column`, a `template` over the row, or the same `value` for all.

    `lookup` (folded text → value) then translates what was found; `otherwise` stands for what it does not list. `columns`
    are all that it reads, as far as can be told before it runs.
    """

    column: str | None = None
    columns: frozenset[str] = frozenset()
    template: Template | None = None
    value: str | None = None
    lookup: dict[str, str] | None = None
    otherwise: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadMap:
    """A whole map. `not_answered` are folded texts that stand for an empty cell."""

    key: Filling
    email: Filling
    zone: Filling | None = None
    fields: dict[str, Filling] = field(default_factory=dict)
    consent: dict[str, Filling] = field(default_factory=dict)
    do_not_call: Filling | None = None
    do_not_email: Filling | None = None
    not_answered: frozenset[str] = frozenset({""})
    unpack_quoted_rows: bool = False


def read_map(path: Path, schema: LeadSchema, topics: tuple[str, ...]) -> LeadMap:
    """Read and check a map file. Raises ImportFileError with every mistake in it."""
    findings = Findings()
    root = read_alone(path, path.name, findings)
    if root is not None and not isinstance(root, Mapping):
        findings.add("E013", root.place, "a map is keys with values; begin with `key:` and `email:`")
    found = Reader(findings, schema, topics).read(root) if isinstance(root, Mapping) else None
    problems = [str(finding) for finding in findings.in_order() if finding.is_error]
    if problems or found is None:
        raise ImportFileError("\n".join(problems))
    return found


class Reader:
    """Gives the nodes of a map their meaning, and notes what has none."""

    def __init__(self, findings: Findings, schema: LeadSchema, topics: tuple[str, ...]) -> None:
        self.findings, self.schema, self.topics = findings, schema, topics

    def read(self, root: Mapping) -> LeadMap:
        given: dict[str, Node] = {}
        for name, node in root.entries:
            given[name.text] = node
            if name.text not in KEYS:
                self.unknown_key(name)
        for needed in ("key", "email", "consent"):
            if needed not in given:
                self.findings.add("E011", root.place, f"the key `{needed}` is missing{WHY_NEEDED[needed]}")
        return LeadMap(
            key=self.filling(given["key"]) if "key" in given else Filling(),
            email=self.filling(given["email"]) if "email" in given else Filling(),
            zone=self.filling(given["zone"]) if "zone" in given else None,
            fields=self.named(given.get("fields"), "field", [f.name for f in self.schema.fields]),
            consent=self.consent(given.get("consent")),
            do_not_call=self.filling(given["do_not_call"]) if "do_not_call" in given else None,
            do_not_email=self.filling(given["do_not_email"]) if "do_not_email" in given else None,
            not_answered=frozenset(self.texts(given.get("not_answered"))) | {""},
            unpack_quoted_rows=self.text(given.get("unpack_quoted_rows")) in YES,
        )

    def unknown_key(self, name: Scalar) -> None:
        if self.schema.field(name.text):
            self.findings.add("E010", name.place, f"`{name.text}` is a field of the lead: put it under `fields:`")
        else:
            self.findings.unknown("E010", name.place, "key", name.text, KEYS)

    def consent(self, node: Node | None) -> dict[str, Filling]:
        fillings = self.named(node, "topic", list(self.topics))
        if isinstance(node, Mapping):
            for topic, how in node.entries:
                self.check_consents(topic.text, how)
        return fillings

    def check_consents(self, topic: str, how: Node) -> None:
        """Finds the words for consent that are none, wherever the map itself says them."""
        parts = {name.text: value for name, value in how.entries} if isinstance(how, Mapping) else {}
        values = parts.get("values")
        said = [value for _, value in values.entries] if isinstance(values, Mapping) else []
        for word in [*said, *(parts[key] for key in ("value", "otherwise") if key in parts)]:
            if isinstance(word, Scalar) and word.text not in set(Consent):
                message = f'`{topic}`: "{word.text}" is not one of: {", ".join(Consent)}'
                self.findings.guess("E014", word.place, message, word.text, Consent)

    def named(self, node: Node | None, what: str, known: list[str]) -> dict[str, Filling]:
        if node is None:
            return {}
        if not isinstance(node, Mapping):
            self.findings.add("E013", node.place, f"expected a {what} and how it is filled, on each line")
            return {}
        for name, _ in node.entries:
            if name.text not in known:
                self.findings.unknown("E035", name.place, what, name.text, known)
        return {name.text: self.filling(value) for name, value in node.entries}

    def filling(self, node: Node) -> Filling:
        if isinstance(node, Scalar):
            return self.template_or_column(node)
        if isinstance(node, Listing):
            self.findings.add("E013", node.place, "expected a column's name, a template, or `column:` with `values:`")
            return Filling()
        return self.detailed(node)

    def template_or_column(self, node: Scalar) -> Filling:
        if "{{" not in node.text and "{%" not in node.text:
            return Filling(column=node.text, columns=frozenset({node.text}))
        try:
            tree = TEMPLATES.parse(node.text)
        except TemplateSyntaxError as error:
            self.findings.add("E023", node.place, f"this template cannot be read: {error.message}")
            return Filling()
        for name in sorted(meta.find_undeclared_variables(tree) - {"row"}):
            self.findings.add("E035", node.place, f"unknown name \"{name}\"; a cell is row['{name}']")
        return Filling(template=TEMPLATES.from_string(node.text), columns=frozenset(cells_read(tree)))

    def detailed(self, node: Mapping) -> Filling:
        parts: dict[str, Node] = {name.text: value for name, value in node.entries}
        for name, _ in node.entries:
            if name.text not in ("column", "values", "otherwise", "value"):
                self.findings.unknown("E010", name.place, "key", name.text, ("column", "values", "otherwise", "value"))
        if "value" in parts:
            return Filling(value=self.text(parts["value"]))
        if "column" not in parts:
            self.findings.add("E011", node.place, "the key `column` is missing (or `value`, for the same in every row)")
        column = self.text(parts.get("column"))
        return Filling(
            column=column,
            columns=frozenset({column}),
            lookup=self.lookup(parts.get("values")),
            otherwise=self.text(parts["otherwise"]) if "otherwise" in parts else None,
        )

    def lookup(self, node: Node | None) -> dict[str, str] | None:
        if node is None:
            return None
        if not isinstance(node, Mapping):
            self.findings.add("E013", node.place, "`values:` is what stands in the column, and what it means, on each line")
            return None
        return {name.text.strip().casefold(): self.text(value) for name, value in node.entries}

    def texts(self, node: Node | None) -> list[str]:
        items = node.items if isinstance(node, Listing) else () if node is None else (node,)
        return [self.text(item).strip().casefold() for item in items]

    def text(self, node: Node | None) -> str:
        if node is None or isinstance(node, Scalar):
            return "" if node is None else node.text
        self.findings.add("E013", node.place, "expected a text")
        return ""


def cells_read(tree: nodes.Template) -> Iterator[str]:
    """The columns that a template names outright, as in `row['Email']`."""
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.node, nodes.Name) and item.node.name == "row" and isinstance(item.arg, nodes.Const):
            yield str(item.arg.value)


WHY_NEEDED = {
    "key": ": it says which row is which lead, so that an import can be repeated",
    "email": ": it says where the address comes from (a column or a template)",
    "consent": f": say for each topic what these people agreed to ({', '.join(Consent)})",
}
