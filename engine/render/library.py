"""Compiles the workspace's emails: from MJML, Jinja and a brand to artifacts in which only the recipient is missing.

Before: `engine.compiler` knows the brands and which emails are wanted. After: `engine.schedule.apply` stores the artifacts,
`engine.render.wire` renders them. The stages are the lines of `compile_email`; each reports to the same problems.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import TemplateSyntaxError
from markupsafe import Markup

from engine.compiler.sender import Sender
from engine.compiler.senders import names_of, sender_of
from engine.languages import USUAL, is_right_to_left
from engine.render.artifact import Artifact, Edition
from engine.render.editions import BODY, Editions, Version
from engine.render.edits import apply_edits
from engine.render.email_file import read_email_file
from engine.render.fold import Scope, Workshop, fold
from engine.render.groups import DEEPEST
from engine.render.guard import edits_of_layout
from engine.render.held import MARK, Document, Held, TooMany
from engine.render.include import Including, is_whole, with_includes, with_preview, without_prolog
from engine.render.links import Links, edits_of_links, track_written_addresses
from engine.render.lint import lint
from engine.render.manner import in_manner
from engine.render.manners import manner_of
from engine.render.markup import NOTES, check_mjml, html_of, printable_attributes, with_pixel
from engine.render.names import GRAMMAR, ROOTS
from engine.render.outspoken import edits_for_mrml
from engine.render.phrases import Written, look_in, phrases_in, read_phrases
from engine.render.pictures import Pictures
from engine.render.plaintext import write_text
from engine.render.problems import Endless, Place, Problem, Problems, Source, Unusable
from engine.render.review.review import review_emails as review_emails
from engine.render.tags import read_tree
from engine.render.template_file import filled, read_template

EMAILS = "templates/emails"
BODY_SLOT = "<!-- body -->"
ATTRIBUTE = re.compile(r"""\s+([\w:-]+)\s*=\s*("[^"<>]*"|'[^'<>]*')""")
ROOT = re.compile(rf"<mjml((?:{ATTRIBUTE.pattern})*)\s*>")
LOOP = re.compile(r"\{%[-+]?\s*(for|endfor)\b")
PIXEL = "{{ track }}/o/{{ token }}"
Known = Mapping[str, Collection[str] | None]


def email_names(workspace: Path) -> list[str]:
    """The names of all emails, sorted: the folders of templates/emails that hold an email.yaml."""
    return sorted(path.parent.name for path in (workspace / EMAILS).glob("*/email.yaml"))


def compile_emails(
    workspace: Path,
    brands: Mapping[str, Mapping[str, object]],
    wanted: Collection[tuple[str, str]],
    known: Known | None = None,
    language: str = USUAL,
) -> tuple[dict[tuple[str, str], Edition], list[Problem]]:
    """The edition of each wanted (email, brand), and everything that is wrong with those that have none.

    `brands`: name → the content of templates/brands/<name>.yaml, its `from` being one of its `identities`.
    `known`: what templates may name, as root → names below it or None for any; roots left out keep their defaults
    (`engine.render.names.ROOTS`). `language`: in which the plain files are written.
    """
    editions: dict[tuple[str, str], Edition] = {}
    problems = Problems()
    tables = Tables(brands, read_phrases(workspace, problems), {**ROOTS, **(known or {})}, language)
    for email, brand in sorted(set(wanted)):
        found = Problems()
        if edition := compile_email(workspace, email, brand, tables, found):
            editions[email, brand] = edition
        problems.take(found)
    return editions, problems.in_order()


class Tables(NamedTuple):
    """What all emails of a workspace share."""

    brands: Mapping[str, Mapping[str, object]]
    phrases: Written
    known: Known
    language: str


def compile_email(
    workspace: Path,
    email: str,
    brand: str,
    tables: Tables,
    problems: Problems,
    *,
    afresh: bool = False,
) -> Edition | None:
    """One email in one brand; None: it has problems. `afresh`: MJML is left to do for each person, even without need."""
    folder, artifacts = f"{EMAILS}/{email}", {}
    try:
        look = look_of(brand, tables.brands, f"{folder}/email.yaml", problems)
        about = read_email_file(workspace, f"{folder}/email.yaml", problems)
        for version in Editions(workspace, folder, about, tables.language, problems).versions():
            with in_manner(manner_of(version.language)):
                compiling = Compiling(workspace, version, look_in(look, version.language), tables, problems, afresh)
                artifacts[version.language, version.arm] = compiling.artifact(email, brand)
    except (Unusable, Endless):
        return None
    except TooMany as error:
        problems.add(Place(f"{folder}/body.mjml"), f"with its layout and blocks this email has more than {error}")
        return None
    return None if problems else Edition(language=tables.language, shares=about.shares, artifacts=artifacts)


def look_of(brand: str, brands: Mapping[str, Mapping[str, object]], file: str, problems: Problems) -> Mapping[str, Any]:
    if brand not in brands:
        problems.unknown(Place(file), "brand", brand, brands)
        raise Unusable
    return brands[brand]


class Compiling:
    """One version of an email in one brand on its way to an artifact."""

    def __init__(
        self,
        workspace: Path,
        version: Version,
        look: Mapping[str, Any],
        tables: Tables,
        problems: Problems,
        afresh: bool = False,
    ) -> None:
        self.workspace, self.version, self.about, self.problems = workspace, version, version.about, problems
        self.look, self.held, self.afresh, self.is_usual = look, Held(), afresh, version.language == tables.language
        self.body = f"{version.folder}/{BODY}"
        self.known = {**tables.known, "brand": tuple(look)}
        self.fixed: dict[str, Any] = {"brand": look, "links": version.about.lines.links}
        self.including = Including(held=self.held, problems=problems, workspace=workspace, read=self.read, fold=self.folded)
        self.workshop = Workshop(held=self.held, problems=problems, known=self.known, read_block=self.read_block)
        if tables.phrases:
            self.fixed["phrases"] = phrases_in(tables.phrases, version.language, self.folded)

    def artifact(self, email: str, brand: str) -> Artifact:
        """All stages in order."""
        links, pictures = Links(self.held, self.problems), Pictures(self.workspace, self.problems)
        document = self.put_together()
        is_mjml = self.is_unsettled(document) or self.afresh
        document = self.with_our_links(document, links, pictures)
        tree = read_tree(document, self.problems)
        mjml = printable_attributes(tree, document).text
        html = self.held.restore(NOTES.sub("", mjml) if is_mjml else with_pixel(html_of(mjml, self.held), PIXEL)).rstrip() + "\n"
        text = self.held.restore(self.written_text(links) or write_text(tree, self.held))
        self.check_templates(html, text)
        return Artifact(
            email=email,
            brand=brand,
            stream=self.about.stream,
            sender=self.sender(),
            subject=self.one_line(self.about.subject),
            preheader=self.one_line(self.about.preheader),
            html=html,
            text=text,
            links=links.table(),
            pictures=pictures.table(),
            is_mjml=is_mjml,
            language=self.version.language,
            manner=manner_of(self.version.language),
            arm=self.version.arm,
        )

    def sender(self) -> Sender:
        """Raises Unusable for an identity that the brand has not, which is then reported."""
        named = self.about.sender
        known = names_of(self.look)
        if named.text and named.text not in known:
            self.problems.unknown(named.place, "identity", named.text, known)
            raise Unusable
        return sender_of(self.look, named.text)

    def put_together(self) -> Document:
        """The layout with the body in its slot."""
        source = filled(self.read(self.body), self.problems)
        document = self.whole(source) if is_whole(source.text) else self.in_layout(source)
        spoken = spoken_in(document, self.version.language, is_usual=self.is_usual)
        return self.held.lift_marks(with_includes(spoken, self.including))

    def in_layout(self, source: Source) -> str:
        body = self.attempt(lambda: self.folded(source))
        layout = self.attempt(self.folded_layout)
        if body is None or layout is None:
            raise Unusable
        return layout.replace(BODY_SLOT, body)

    def whole(self, source: Source) -> str:
        """A body that is a whole document: it has no layout, but gets the preheader if it has none of its own."""
        if self.about.names_layout:
            told = "body.mjml is a whole <mjml>, which has no layout: remove this line, or keep what is inside <mj-body> only"
            self.problems.add(self.about.layout_place, told)
        return with_preview(str(self.folded_with_words(without_prolog(source))), str(self.folded(self.about.preheader)))

    def attempt(self, stage: Callable[[], Markup]) -> str | None:
        """A stage's text; None: it is not usable. So the other stages can still report what is wrong with them."""
        try:
            return str(stage())
        except Unusable:
            return None

    def folded_layout(self) -> Markup:
        self.find_layout()
        source = self.read(f"templates/layouts/{self.about.layout}.mjml")
        layout = self.folded_with_words(source)
        if layout.count(BODY_SLOT) != 1:
            self.problems.add(source.place, f"a layout needs {BODY_SLOT} exactly once, where the email's body goes")
            raise Unusable
        return layout

    def find_layout(self) -> None:
        layouts = [path.stem for path in (self.workspace / "templates/layouts").glob("*.mjml")]
        if self.about.layout not in layouts:
            self.problems.unknown(self.about.layout_place, "layout", self.about.layout, layouts)
            raise Unusable

    def folded_with_words(self, source: Source) -> Markup:
        """A whole document may print the subject and the preheader."""
        words = {"preheader": self.folded(self.about.preheader), "subject": self.folded(self.about.subject)}
        return fold(source, Scope(fixed={**self.fixed, **words}), self.workshop)

    def folded(self, source: Source) -> Markup:
        return fold(source, Scope(fixed=self.fixed), self.workshop)

    def is_unsettled(self, document: Document) -> bool:
        """Whether MJML needs each person's values. Raises Unusable where the MJML is wrong, which is then reported."""
        is_settled = lint(read_tree(document, self.problems), document, self.held, self.problems)
        if not self.problems:
            check_mjml(
                document if is_settled else replace(document, text=self.held.without_statements(document.text)), self.problems
            )
        if self.problems:
            raise Unusable
        return not is_settled

    def with_our_links(self, document: Document, links: Links, pictures: Pictures) -> Document:
        """Links lead to us, pictures to those sent along, and values that lay out are checked before they are printed."""
        tree = read_tree(document, self.problems)
        edits = edits_of_links(tree, document, links) + edits_of_layout(tree, document, self.held) + edits_for_mrml(tree)
        return apply_edits(document, edits + pictures.edits(tree, document))

    def check_templates(self, *templates: str) -> None:
        """Tokens are checked one by one; here they must also fit together in what came of the markup."""
        for template in templates:
            try:
                GRAMMAR.parse(template)
            except TemplateSyntaxError as error:
                self.problems.add(Place(self.body), f"its tokens do not fit together: {error.message}")
            if loop_depth(template) > DEEPEST:
                self.problems.add(Place(self.body), f"its loops are nested deeper than {DEEPEST} levels")

    def one_line(self, source: Source) -> str:
        """Subject or preheader as Jinja over the recipient's values, in plain characters."""
        return self.held.restore(MARK.sub("", self.folded(source).unescape())).replace("\n", " ").strip()

    def written_text(self, links: Links) -> str:
        """The author's own text part; empty: there is none."""
        file = self.version.text
        if file is None:
            return ""
        folded = MARK.sub("", self.folded(self.read(file)).unescape())
        return track_written_addresses(folded, links, Place(file))

    def read_block(self, name: str, place: Place) -> Source:
        blocks = sorted(path.stem for path in (self.workspace / "templates/blocks").glob("*.mjml"))
        if name not in blocks:
            self.problems.unknown(place, "block", name, blocks)
            raise Unusable
        return self.read(f"templates/blocks/{name}.mjml")

    def read(self, file: str, named_at: Place | None = None) -> Source:
        return read_template(self.workspace, file, self.problems, named_at)


def spoken_in(document: str, language: str, *, is_usual: bool) -> str:
    """The document with its language, and the way that is written. A layout may say both itself for the plain files."""

    def named(found: re.Match[str]) -> str:
        said = {name: value[1:-1] for name, value in ATTRIBUTE.findall(found[1])}
        way = "rtl" if is_right_to_left(language) else "ltr"
        wanted = {"lang": language} | ({"dir": way} if way == "rtl" or "dir" in said else {})
        attributes = {**wanted, **said} if is_usual else {**said, **wanted}
        written = "".join(map(' {}="{}"'.format, attributes, attributes.values()))
        return f"<mjml{written}>"

    return ROOT.sub(named, document, count=1)


def loop_depth(template: str) -> int:
    """How many loops are inside one another at most; blocks can put them there across files."""
    depth = deepest = 0
    for found in LOOP.finditer(template):
        depth += 1 if found[1] == "for" else -1
        deepest = max(deepest, depth)
    return deepest
