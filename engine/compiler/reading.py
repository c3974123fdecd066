"""Taking values out of YAML nodes, and reporting everything that is not as it should be.

Before: `engine.compiler.source`. After: `read_cadence` and `read_tables` name the keys they expect. Nothing here stops at
the first fault: what cannot be read is reported once and replaced by a default.
"""

from collections.abc import Collection, Iterator
from typing import TypeVar

from engine.compiler.diagnostics import Findings, Place, quote
from engine.compiler.kinds import NAME, TEXT, Kind, Unusable
from engine.compiler.source import Listing, Mapping, Node, Scalar
from engine.compiler.syntax import Text, Written

V = TypeVar("V")


class Section:
    """One mapping whose keys are known. `what` says what it describes, in the words of a message: `a rep`."""

    def __init__(self, node: Node | None, what: str, known: Collection[str], findings: Findings) -> None:
        self.what = what
        self.findings = findings
        self.place = node.place if node else Place("")
        self.is_misshapen = node is not None and not isinstance(node, Mapping)
        self.nodes = {key.text: value for key, value in entries_of(node, what, findings)}
        self.misspelt = frozenset(self._report_unknown(node, known))

    def __contains__(self, key: str) -> bool:
        return key in self.nodes

    def node(self, key: str) -> Node | None:
        """The value as a node; None: the key is not there."""
        return self.nodes.get(key)

    def place_of(self, key: str) -> Place:
        """Where the value of a key is; without it, where the whole is."""
        node = self.nodes.get(key)
        return node.place if node else self.place

    def value(self, scalar: Scalar, kind: Kind[V], hole: V) -> Written[V]:
        """A text beside the values, such as a key; `hole` when it is not of that kind (reported)."""
        return value_of(scalar, kind, self.what, self.findings) or Written(hole, scalar.place)

    def lacks(self, key: str) -> bool:
        """Whether a key is not there, and was probably not meant by another one that is reported."""
        return key not in self.nodes and key not in self.misspelt and not self.is_misshapen

    def require(self, key: str) -> None:
        """Report a key that is not there."""
        if self.lacks(key):
            self.findings.add("E011", self.place, f"{self.what} needs `{key}:`")

    def scalar(self, key: str) -> Scalar | None:
        """The text of a key as a node; None: not there, or reported."""
        node = self.nodes.get(key)
        return None if node is None else scalar_of(node, f"`{key}`", self.findings)

    def needed_scalar(self, key: str) -> Scalar:
        """The text of a key that must be there and not empty; an empty one when it is not (reported)."""
        self.require(key)
        return self.filled_scalar(key) or Scalar("", self.place)

    def filled_scalar(self, key: str) -> Scalar | None:
        """The text of a key, which must not be empty; None: not there, or reported."""
        found = self.scalar(key)
        if found is None or found.text.strip():
            return found
        self.findings.add("E011", found.place, f"`{key}` is empty")
        return None

    def optional(self, key: str, kind: Kind[V]) -> Written[V] | None:
        """The value of a key; None: not there, or reported."""
        found = self.scalar(key)
        return None if found is None else value_of(found, kind, f"`{key}`", self.findings)

    def given(self, key: str, kind: Kind[V], default: V) -> Written[V]:
        """The value of a key, or the default."""
        return self.optional(key, kind) or Written(default, self.place)

    def needed(self, key: str, kind: Kind[V], hole: V) -> Written[V]:
        """The value of a key that must be there; `hole` when it is not (reported)."""
        self.require(key)
        return self.given(key, kind, hole)

    def text(self, key: str) -> str:
        """A text that must be there; an empty one when it is not (reported)."""
        return self.needed(key, TEXT, "").value

    def reference(self, key: str) -> Text:
        """The name of something elsewhere, that must be there; an empty one when it is not (reported)."""
        return self.needed(key, TEXT, "")

    def list_of_nodes(self, key: str) -> tuple[Node, ...]:
        """The entries of a list; none when it is not there or not a list (reported)."""
        node = self.nodes.get(key)
        return () if node is None else items_of(node, f"`{key}`", self.findings)

    def texts(self, key: str) -> tuple[Text, ...]:
        """The entries of a list of texts."""
        found = (scalar_of(item, f"each of `{key}`", self.findings) for item in self.list_of_nodes(key))
        return tuple(Written(each.text, each.place) for each in found if each)

    def named_entries(self, key: str) -> Iterator[tuple[str, Node]]:
        """The entries of a mapping whose keys are names of the marketer's own."""
        if (node := self.nodes.get(key)) is not None:
            yield from named_entries_of(node, f"`{key}`", self.findings)

    def keyed_entries(self, key: str) -> tuple[tuple[Scalar, Node], ...]:
        """The entries of a mapping whose keys the caller checks."""
        return entries_of(self.nodes.get(key), f"`{key}`", self.findings)

    def _report_unknown(self, node: Node | None, known: Collection[str]) -> Iterator[str]:
        """Report the keys that mean nothing here. What comes back is what they were probably meant to be."""
        for key, _ in node.entries if isinstance(node, Mapping) else ():
            if key.text not in known:
                meant = self.findings.meant(key.place.file, key.text, known)
                self.findings.add("E010", key.place, f"unknown key {quote(key.text)} in {self.what}", meant)
                yield from [meant] if meant else []


def entries_of(node: Node | None, what: str, findings: Findings) -> tuple[tuple[Scalar, Node], ...]:
    """The entries of a mapping; none when it is not one (reported)."""
    if isinstance(node, Mapping):
        return node.entries
    if node is not None and not is_nothing(node):
        findings.add("E013", node.place, f"{what} must be a mapping: keys and values, such as `key: value`")
    return ()


def named_entries_of(node: Node, what: str, findings: Findings) -> Iterator[tuple[str, Node]]:
    for key, value in entries_of(node, what, findings):
        name = value_of(key, NAME, what, findings)
        if name is not None:
            yield name.value, value


def items_of(node: Node, what: str, findings: Findings) -> tuple[Node, ...]:
    """The entries of a list; none when it is not one (reported)."""
    if isinstance(node, Listing):
        return node.items
    if is_nothing(node):
        findings.add("E028", node.place, f"{what} is empty")
    else:
        findings.add("E013", node.place, f"{what} must be a list: entries that begin with `- `")
    return ()


def scalar_of(node: Node, what: str, findings: Findings) -> Scalar | None:
    if isinstance(node, Scalar):
        return node
    findings.add("E013", node.place, f"{what} must be a text, not a {'list' if isinstance(node, Listing) else 'mapping'}")
    return None


def value_of(scalar: Scalar, kind: Kind[V], what: str, findings: Findings) -> Written[V] | None:
    """The text as a value of its kind; None: reported."""
    try:
        return Written(kind.read(scalar.text), scalar.place)
    except Unusable as error:
        findings.guess(kind.code, scalar.place, f"{what}: {error}", scalar.text, error.known)
    except ValueError as error:
        findings.add(kind.code, scalar.place, f"{what}: {error}")
    return None


def is_nothing(node: Node) -> bool:
    """Whether a key was left without a value."""
    return isinstance(node, Scalar) and not node.text and not node.is_quoted


def plain(node: Node) -> object:
    """A node as texts, lists and dicts."""
    match node:
        case Scalar(text=text):
            return text
        case Listing(items=items):
            return [plain(item) for item in items]
        case Mapping(entries=entries):
            return {key.text: plain(value) for key, value in entries}
