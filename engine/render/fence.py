"""Renders behind a fence: in children that are ended when a mail loops or grows, at the cost of that mail alone.

Before: whoever has an artifact and a person's values: the send, the preview, `check`, the page of a mail. After: the same parts
as `engine.render.wire` makes in this process. The first mail starts a child; another is started only when one has to be
waited for, so nobody waits long behind a mail that loops.
"""

import atexit
import os
import re
import struct
from binascii import a2b_qp
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pickle import PicklingError
from typing import Any

from engine.errors import RenderError
from engine.render.child import USUAL, Brand, Child, Ended, Limits
from engine.render.children import MOST_CHILDREN, Children, NotRendering
from engine.render.form import Form, to_json
from engine.render.frames import Answered, Asked, pack, read_answers, write_asked
from engine.render.quoted import quote_piece
from engine.render.sandbox import checked_url
from engine.render.wire import Rendered, WireParts, one_line

MOST_FORMS = 128  # artifacts in a brand that a child holds ready
MOST_MAILS = 64  # in a batch
LARGEST_BATCH = 16 * 1024 * 1024
LARGEST_VALUES = 8 * 1024 * 1024
TRIES = 2  # at a mail over which a child ended by itself: perhaps the machine had no memory left for anybody
MOST_ENDS = 5  # of children in a row over no mail at all

NEWLINE = ord("\n")

Mail = tuple[Form, Mapping[str, Any]]  # an artifact, and what `engine.render.context.values_for` builds
Written = WireParts | RenderError


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A mail to be rendered. `packed`: its values but for the brand, and for `seal`, which stays here."""

    artifact: Form
    brand: Brand
    packed: bytes
    seal: Callable[[str], str]


class Fence:
    """Renders in children of its own."""

    def __init__(self, limits: Limits = USUAL) -> None:
        self.children = Children(limits)
        self.ends: Counter[str] = Counter()  # of children over a mail, since this process began: overtime | ended

    def render_many(self, mails: Sequence[Mail]) -> list[Written]:
        """What `wire.render_wire` makes of each, or why there is nothing. Raises NotRendering."""
        written: dict[int, Written] = {}
        while waiting := [at for at in range(len(mails)) if at not in written]:
            some = self.render_some([mails[at] for at in waiting])
            written |= {at: one for at, one in zip(waiting, some, strict=True) if one is not None}
        return [written[at] for at in range(len(mails))]

    def render_some(self, mails: Sequence[Mail]) -> list[Written | None]:
        """The same; None: not tried, since another mail of the same template took too much time and others should not wait.

        At least one is not None. Raises NotRendering.
        """
        drafts = [draft(artifact, values) for artifact, values in mails]
        written: dict[int, Written] = {at: one for at, one in enumerate(drafts) if isinstance(one, RenderError)}
        waiting = {at: one for at, one in enumerate(drafts) if isinstance(one, Draft)}
        ends: Counter[int] = Counter()
        while waiting:
            batch = next_batch(waiting, most=1 if ends else MOST_MAILS)  # what one child cannot do at once it may do one by one
            try:
                written |= self._ask({at: waiting[at] for at in batch})
            except Ended as ended:
                self.ends["overtime" if ended.overtime else "ended"] += 1
                blamed = batch[ended.number - 1] if ended.number else -1
                ends[blamed] += 1
                if ends[-1] > MOST_ENDS:
                    raise NotRendering("the process that renders ends again and again") from ended
                if blamed >= 0 and (ended.overtime or ends[blamed] >= TRIES):
                    slow = waiting[blamed].artifact
                    written[blamed] = self._stopped(slow, ended)
                    waiting = {at: one for at, one in waiting.items() if one.artifact != slow}
            waiting = {at: one for at, one in waiting.items() if at not in written}
        return [written.get(at) for at in range(len(mails))]

    def render_wire(self, artifact: Form, values: Mapping[str, Any]) -> WireParts:
        """One mail as it is sent. Raises RenderError, or NotRendering."""
        written = self.render_many([(artifact, values)])[0]
        if isinstance(written, RenderError):
            raise written
        return written

    def render(self, artifact: Form, values: Mapping[str, Any]) -> Rendered:
        """One mail as text. Raises RenderError, or NotRendering."""
        parts = self.render_wire(artifact, values)
        return Rendered(subject=parts.subject, html=decoded(parts.html_qp), text=decoded(parts.text_qp))

    def _ask(self, drafts: Mapping[int, Draft]) -> dict[int, Written]:
        """Raises Ended."""
        with self.children.one() as child:
            frame = child.ask(write_asked(request(child, drafts.values())), len(drafts))
            try:
                answers = list(zip(drafts.items(), read_answers(frame), strict=True))
            except (ValueError, TypeError, struct.error) as error:
                raise Ended(0, 0) from error
            return {at: finished(child.nonce, one, answer) for (at, one), answer in answers}

    def _stopped(self, artifact: Form, ended: Ended) -> RenderError:
        took = (
            f"took more than {self.children.limits.cpu_seconds:g} seconds" if ended.overtime else "ended the process that renders"
        )
        return RenderError(f'the email "{artifact.email}" cannot be written for this person: it {took}')


def draft(artifact: Form, values: Mapping[str, Any]) -> Draft | RenderError:
    plain = {name: value for name, value in values.items() if name not in ("brand", "seal")}
    try:
        packed = pack(plain)
        if len(packed) > LARGEST_VALUES:
            raise PicklingError(f"its values are larger than {LARGEST_VALUES // 1024 // 1024} MB")
    except (PicklingError, RecursionError) as error:
        return RenderError(f'the email "{artifact.email}" cannot be written for this person: {error}')
    return Draft(artifact=artifact, brand=values["brand"], packed=packed, seal=values["seal"])


def next_batch(waiting: Mapping[int, Draft], *, most: int) -> list[int]:
    """As many as go together, in order."""
    batch: list[int] = []
    size = 0
    for at, one in waiting.items():
        size += len(one.packed)
        if batch and (size > LARGEST_BATCH or len(batch) == most):
            break
        batch.append(at)
    return batch


def request(child: Child, drafts: Collection[Draft]) -> Asked:
    """The batch as this child can read it: artifacts and brands that it has not met go along, once."""
    wanted = {(one.artifact, id(one.brand)): one for one in drafts}
    forget = len(child.forms) + len(wanted) > MOST_FORMS
    if forget:
        child.forms.clear()
    new = {}
    for form, one in wanted.items():
        if form not in child.forms:
            number = len(child.forms)
            child.forms[form] = number, one.brand
            new[number] = to_json(one.artifact), pack(one.brand)
    mails = [(child.forms[one.artifact, id(one.brand)][0], one.packed) for one in drafts]
    return Asked(forget=forget, forms=new, mails=mails)


def finished(nonce: str, one: Draft, answer: Answered | str) -> Written:
    """The child's answer, taken for what it is: text that a template wrote."""
    if isinstance(answer, str):
        return RenderError(answer)
    try:
        sealed = [one.seal(checked_url(address)) for address in answer.addresses]
    except RenderError as error:
        return error
    pattern = (broken_stand_in if one.artifact.is_mjml else stand_in)(nonce)
    return WireParts(
        subject=one_line(answer.subject),
        text_qp=put_in(sealed, stand_in(nonce), answer.text_qp),
        html_qp=put_in(sealed, pattern, answer.html_qp),
    )


@lru_cache(MOST_CHILDREN)
def stand_in(nonce: str) -> re.Pattern[bytes]:
    """How `engine.render.behind` writes it where values are pieces by themselves."""
    return re.compile(rb"sealed-%b-(\d+)-=\r\n" % nonce.encode())


@lru_cache(MOST_CHILDREN)
def broken_stand_in(nonce: str) -> re.Pattern[bytes]:
    """The same in what was encoded as a whole: a soft line end may stand anywhere in it."""
    soft = rb"(?:=\r\n)?"
    letters = soft.join(re.escape(letter).encode() for letter in f"sealed-{nonce}-")
    return re.compile(rb"%b((?:%b\d)+)%b-%b" % (letters, soft, soft, soft))


def put_in(sealed: Sequence[str], pattern: re.Pattern[bytes], body: bytes) -> bytes:
    """The body with the sealed addresses where their stand-ins are, each a piece by itself."""

    def piece(found: re.Match[bytes]) -> bytes:
        at_line_start = found.start() == 0 or body[found.start() - 1] == NEWLINE
        number = int(found[1].replace(b"=\r\n", b""))
        return (b"" if at_line_start else b"=\r\n") + quote_piece(sealed[number]).encode("ascii")

    return pattern.sub(piece, body) if sealed else body


def decoded(body: bytes) -> str:
    return a2b_qp(body).decode("utf-8").replace("\r\n", "\n")


FENCE = Fence()
render, render_wire = FENCE.render, FENCE.render_wire
render_many, render_some = FENCE.render_many, FENCE.render_some
atexit.register(FENCE.children.close)
os.register_at_fork(after_in_child=FENCE.children.leave)
