"""The offer in a transactional mail: there is a place for one, it stands under the message, and it stays small.

Before: `engine.render.review.mail`. After: `engine.render.review.rules` has these in its table.

The measure: the mail is written twice, with the offer and without. What only the first has is the offer. Its share is one of
area: of a text, its characters times half its size (a letter is about half as wide as high) times the height of its line; of a
picture, width times height, three fifths as high as wide where it says nothing of it; of padding, by which a picture behind a
heading shows, its height across the mail.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from itertools import takewhile

from engine.render.review.mail import Finding, Mail
from engine.render.review.page import Page, Picture, Run, read_page

LARGEST_SHARE = 0.30
WORDS_BEFORE = 20  # of the message, before an offer may begin; of a shorter mail, half of its words
WIDTH_OF_CHARACTER = 0.5  # of its size
USUAL_WIDTH, USUAL_SHAPE, ACROSS = 520.0, 0.6, 600.0


def no_place_for_an_offer(mail: Mail) -> Iterator[Finding]:
    if not mail.is_marketing and mail.without_offer is None:
        told = 'this mail does its duty and no more; put {{ block("offer") }} or {% if offer %}…{% endif %} under the message'
        yield Finding("W038", told)


def offer_before_message(mail: Mail) -> Iterator[Finding]:
    """An offer above what the person waits for, or larger than the rules of good mail allow."""
    if mail.without_offer is None:
        return
    whole, message = mail.page, read_page(mail.without_offer.html)
    offered = list((Counter(run.text for run in whole.runs) - Counter(run.text for run in message.runs)).elements())
    near = ('block("offer")', "if offer", *offered[:1])
    if not offered and whole.pictures == message.pictures:
        return
    if words_before(whole, message) < min(WORDS_BEFORE, words_in(message.runs) / 2):
        yield Finding("E075", "the offer stands above the message that the person waits for; put it below", near)
    if offered and (size := largest(whole, offered)) > largest(message):
        told = f"the offer is the largest thing here ({size:g} px); set it smaller than the message, or its heading larger"
        yield Finding("E075", told, near)
    if (share := 1 - area(message) / area(whole)) > LARGEST_SHARE:
        yield Finding("E075", f"the offer takes {share:.0%} of the mail; {LARGEST_SHARE:.0%} is the most", near)


def words_before(whole: Page, message: Page) -> int:
    """How many words both have before the first in which they differ."""
    same = takewhile(lambda pair: pair[0].text == pair[1].text, zip(whole.runs, message.runs, strict=False))
    return words_in(tuple(one for one, _ in same))


def largest(page: Page, texts: Collection[str] | None = None) -> float:
    """Of what size the largest text is, of all or of these."""
    return max((run.look.size for run in page.runs if texts is None or run.text in texts), default=0.0)


def words_in(runs: tuple[Run, ...]) -> int:
    return sum(len(run.words) for run in runs)


def area(page: Page) -> float:
    texts = sum(len(run.text) * run.look.size * WIDTH_OF_CHARACTER * run.look.line_height for run in page.runs)
    return texts + sum(map(area_of_picture, page.pictures)) + page.padding * ACROSS or 1.0


def area_of_picture(picture: Picture) -> float:
    width = picture.width or USUAL_WIDTH
    return width * (picture.height or width * USUAL_SHAPE)
