"""Settles everything in a template that does not depend on the recipient, and holds the rest back as stand-ins.

Before: `engine.render.pieces` has split the text. After: what is left is MJML (or plain text) with stand-ins and marks, which
`engine.render.library` puts together. The brand, an email's own links and a block's arguments are fixed; `lead`, `rep`,
`event`, `offer` and the links to us are the recipient's. A token is the recipient's as soon as it names one of them, so
`{% raw %}` around it changes nothing and is dropped.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from markupsafe import Markup

from engine.compiler.diagnostics import closest
from engine.errors import RenderError
from engine.render.bounded import STEPS, Steps
from engine.render.foreign import of_token
from engine.render.groups import Group, match_groups
from engine.render.held import Held
from engine.render.names import Names, asked_fields, check_token, names_in, parse_token, report_syntax, targets_of
from engine.render.pieces import Kind, Piece, UnclosedToken, line_count_of, split_template, words_in_tokens
from engine.render.problems import Place, Problems, Source, Unusable
from engine.render.settle import mistake_in, settled
from engine.render.skeleton import Skeleton
from engine.render.substitute import arguments_of, is_call_of, put_in_place

DEEPEST_BLOCK = 8
SHARED = ("brand", "phrases")  # what blocks know of the email that they are in


@dataclass(frozen=True, slots=True)
class LiveArgument:
    """A block's argument that is the recipient's: the expression, to be put where the block names it."""

    expression: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a template may name: `fixed` values and `live` expressions. In a block a missing name is an argument left out.

    `calls`: the blocks that are being put together, the innermost last, each with the place of its call. `made`, `asked`: what
    the statements around the call make, and ask for: what is passed to the block may name it.
    """

    fixed: Mapping[str, Any]
    live: Mapping[str, str] = field(default_factory=dict)
    calls: tuple[tuple[str, Place], ...] = ()
    made: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()

    @property
    def is_block(self) -> bool:
        return bool(self.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What one compilation shares between its templates. `known`: what may be named of the recipient's, and of the brand."""

    held: Held
    problems: Problems
    known: Mapping[str, Any]
    read_block: Callable[[str, Place], Source]
    steps: Steps = field(default_factory=Steps)


def fold(source: Source, scope: Scope, workshop: Workshop) -> Markup:
    """The template with its fixed part evaluated. Raises Unusable when it cannot be; why is then reported."""
    return Folding(source, scope, workshop).run()


class Folding:
    """One template being folded, piece by piece, in the order of the text."""

    def __init__(self, source: Source, scope: Scope, workshop: Workshop) -> None:
        self.source, self.scope, self.workshop = source, scope, workshop
        self.skeleton = Skeleton()
        self.context: dict[str, Any] = dict(scope.fixed)
        self.groups: dict[Piece, Group] = {}
        self.around: list[Group] = []
        self.set_live: set[str] = set()
        self.set_fixed: set[str] = set()
        self.has_unknown = False

    def run(self) -> Markup:
        pieces = self.split()
        self.workshop.held.count_pieces(len(pieces))
        self.groups = match_groups(pieces, self.source, self.workshop.problems)
        return self.evaluate("".join(self.emit(piece) for piece in pieces))

    def split(self) -> list[Piece]:
        try:
            return split_template(self.source.text)
        except UnclosedToken as error:
            self.workshop.problems.add(self.source.at(error.start), str(error))
            raise Unusable from error

    def emit(self, piece: Piece) -> str:
        """The piece as it stands in the template that is evaluated now."""
        match piece.kind:
            case Kind.TEXT:
                return self.skeleton.take(self.with_marks(piece))
            case Kind.VALUE:
                return self.emit_value(piece)
            case Kind.STATEMENT:
                return self.emit_statement(piece)
            case Kind.COMMENT:
                return piece.text

    def with_marks(self, piece: Piece) -> str:
        """Text with a mark before each tag, so that later stages can say where it was written."""
        first, *rest = piece.text.split("<")
        offset, marked = piece.start + len(first), [first]
        for part in rest:
            marked += self.workshop.held.mark(self.source.at(offset)), "<", part
            offset += 1 + len(part)
        return "".join(marked)

    def emit_value(self, piece: Piece) -> str:
        tree = self.parse(piece)
        if tree is None:
            return ""
        if is_call_of("block", tree):
            return self.emit_block(piece)
        if self.is_live(names_in(tree)):
            return self.hold(piece)
        return piece.text if self.check_fixed(names_in(tree), piece) else ""

    def emit_statement(self, piece: Piece) -> str:
        match piece.keyword:
            case "raw" | "endraw":
                return ""
            case "set":
                return self.emit_set(piece)
            case "if" | "for":
                self.begin(self.groups[piece])
            case "endif" | "endfor":
                self.around.remove(self.groups[piece])
        return self.hold(piece) if self.groups[piece].is_live else piece.text

    def emit_set(self, piece: Piece) -> str:
        tree = self.parse(piece)
        if tree is None:
            return ""
        is_live = self.is_live(names_in(tree))
        (self.set_live if is_live else self.set_fixed).update(targets_of(tree))
        return self.hold(piece) if is_live else piece.text

    def begin(self, group: Group) -> None:
        """Decide whether the group is the recipient's: it is as soon as one of its conditions is."""
        trees = [tree for piece in group.conditions if (tree := self.parse(piece)) is not None]
        expected = united(names_in(tree) for tree in trees)
        group.is_live = self.is_live(expected)
        group.asked = united(asked_fields(tree) for tree in trees)
        if group.opener.keyword == "for":
            group.made = united(targets_of(tree) for tree in trees) | {"loop"}
        if not group.is_live:
            self.check_fixed(expected, group.opener)
        self.around.append(group)

    def parse(self, piece: Piece) -> nodes.Template | None:
        """The token's tree; None: it is not Jinja, which is then reported."""
        try:
            tree = parse_token(piece)
            names_in(tree)
        except TemplateSyntaxError as error:
            self.has_unknown = True
            report_syntax(error, self.source.at(piece.start), self.workshop.problems, of_token(piece.text))
            return None
        except RecursionError:
            self.workshop.problems.add(self.source.at(piece.start), "this is nested too deep")
            return None
        return tree

    def is_live(self, names: Iterable[str]) -> bool:
        return not self.live_names().isdisjoint(names)

    def live_names(self) -> frozenset[str]:
        roots = self.workshop.known.keys() - {"brand"} - self.scope.fixed.keys()
        return united([roots, self.scope.live, self.set_live, *(group.made for group in self.around if group.is_live)])

    def fixed_names(self) -> frozenset[str]:
        return united([self.context, self.set_fixed, *(group.made for group in self.around if not group.is_live)])

    def check_fixed(self, names: Iterable[str], piece: Piece) -> bool:
        """Whether all these names are there; those that are not are reported."""
        unknown = set() if self.scope.is_block else set(names) - self.fixed_names()
        self.has_unknown |= bool(unknown)
        for name in sorted(unknown):
            self.workshop.problems.unknown(self.source.at(piece.start), "name", name, self.fixed_names() | self.live_names())
        return not unknown

    def hold(self, piece: Piece) -> str:
        """A stand-in for a token of the recipient's. The comment after it keeps the count of lines."""
        try:
            token = Piece(piece.kind, put_in_place(piece.text, self.worth()), piece.start)
        except TemplateSyntaxError as error:  # of an `else` or `endif`, which nobody has parsed yet
            self.has_unknown = True
            report_syntax(error, self.source.at(piece.start), self.workshop.problems, of_token(piece.text))
            return ""
        if piece.kind == Kind.VALUE or piece.keyword in ("if", "elif", "for", "set"):
            names = Names(self.workshop.known, self.made_names(), self.asked_names())
            check_token(token, names, self.source.at(piece.start), self.workshop.problems)
        return self.workshop.held.hold(token.text) + line_count_of(piece)

    def made_names(self) -> frozenset[str]:
        return united([self.scope.made, self.set_live, *(group.made for group in self.around)])

    def asked_names(self) -> frozenset[str]:
        return united([self.scope.asked, *(group.asked for group in self.around)])

    def worth(self) -> dict[str, str]:
        """What stands in a token for each name that the recipient's values do not have."""
        fixed = {
            name: f"({value!r})"
            for name, value in self.context.items()
            if name != "brand" and not callable(value) and not isinstance(value, Markup | LiveArgument)
        }
        return fixed | {name: f"({expression})" for name, expression in self.scope.live.items()}

    def emit_block(self, piece: Piece) -> str:
        """The call with arguments of the recipient's passed as expressions, the rest by value."""
        name = f"block_{piece.start}"
        self.context[name] = self.block_at(self.source.at(piece.start), self.scope_of_texts())
        passed = (self.passed(f"{name}_{keyword}", expression) for keyword, expression in arguments_of(piece.text))
        keywords = (f"{keyword}=" if keyword else "" for keyword, _ in arguments_of(piece.text))
        arguments = ", ".join(keyword + value for keyword, value in zip(keywords, passed, strict=True))
        return f"{{{{ {name}({arguments}) }}}}" + line_count_of(piece)

    def passed(self, name: str, expression: str) -> str:
        tree = self.parse(Piece(Kind.VALUE, f"{{{{ {expression} }}}}", 0))
        if tree is None or not self.is_live(names_in(tree)):
            return expression
        self.context[name] = LiveArgument(put_in_place(f"{{{{{expression}}}}}", self.worth())[2:-2])
        return name

    def scope_of_texts(self) -> Scope:
        """What the texts in a call may name: what the template may, here."""
        made = self.live_names() & self.made_names()
        live = {**{name: name for name in made}, **self.scope.live}
        return replace(self.scope, live=live, made=self.made_names(), asked=self.asked_names())

    def block_at(self, place: Place, here: Scope) -> Callable[..., Markup]:
        def block(name: str, /, **arguments: Any) -> Markup:
            try:
                scope = self.scope_of_block(name, arguments, place, here)
                written = self.workshop.read_block(name, place)
                for unused in arguments.keys() - (words := words_in_tokens(written.text)):
                    close = closest(unused, words)
                    told = f'the block "{name}" has no argument "{unused}"' + (f' (did you mean "{close}"?)' if close else "")
                    self.workshop.problems.add(place, told)
                return fold(written, scope, self.workshop)
            except Unusable:
                return Markup("")

        return block

    def scope_of_block(self, name: str, arguments: Mapping[str, Any], place: Place, here: Scope) -> Scope:
        if len(self.scope.calls) >= DEEPEST_BLOCK or name in [called for called, _ in self.scope.calls]:
            self.workshop.problems.add(place, f'blocks are inside one another without end: "{name}" is put into itself here')
            raise Unusable
        live = {name: value.expression for name, value in arguments.items() if isinstance(value, LiveArgument)}
        fixed = {name: self.fold_texts(value, place, here) for name, value in arguments.items() if name not in live}
        shared = {name: self.scope.fixed[name] for name in SHARED if name in self.scope.fixed}
        return Scope(
            fixed={**shared, **fixed}, live=live, calls=(*self.scope.calls, (name, place)), made=here.made, asked=here.asked
        )

    def fold_texts(self, value: Any, place: Place, here: Scope) -> Any:
        """An argument whose texts may hold tokens themselves, in the terms of the template that calls."""
        match value:
            case Markup():
                return value
            case str() if "{{" in value or "{%" in value:
                return fold(Source(value, place), here, self.workshop)
            case list() | tuple():
                return [self.fold_texts(item, place, here) for item in value]
        return value

    def evaluate(self, template: str) -> Markup:
        try:
            return Markup(self.skeleton.put_back(settled(template).render({**self.context, STEPS: self.workshop.steps})))
        except (TemplateError, RenderError, TypeError, ValueError, ArithmeticError) as error:
            if not self.has_unknown:
                self.report(error)
            raise Unusable from error

    def report(self, error: Exception) -> None:
        """Tell of an argument that is missing where the block is called; of everything else where it is written."""
        brand = self.scope.fixed.get("brand", {}).get("name", "")
        self.workshop.problems.add(*mistake_in(self.source, error, self.scope.calls[-1:], brand))


def united(parts: Iterable[Iterable[str]]) -> frozenset[str]:
    return frozenset().union(*parts)
