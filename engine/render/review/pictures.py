"""Pictures that arrive, and that say the same to those who do not see them.

Before: `engine.render.review.mail`. After: `engine.render.review.rules` has these in its table.
"""

from collections.abc import Iterator

from engine.render.review.mail import Finding, Mail

REACHABLE = ("https://", "http://", "cid:", "data:")
FEW_WORDS = 20


def not_there(mail: Mail) -> Iterator[Finding]:
    """A picture that no inbox can load: a mail has no folder beside it."""
    for picture in mail.page.pictures:
        if not picture.src.lower().startswith(REACHABLE):
            told = (
                f'the picture "{picture.src[:60]}" is not sent along; put it on your site and write its address, with https://, '
                "or into templates/images/ and write cid: before its name"
            )
            yield Finding("E072", told if picture.src else "a picture has no address", (picture.src or "<mj-image", "<mj-image"))


def no_alt(mail: Mail) -> Iterator[Finding]:
    """A picture without words for those who do not see it: many inboxes do not load pictures before they are asked to."""
    wordless = [anchor.href for anchor in mail.page.anchors if not anchor.words and anchor.texts_before == anchor.texts_until]
    worded = {anchor.href for anchor in mail.page.anchors if anchor.words}
    for picture in mail.page.pictures:
        if picture.alt is None and picture.href not in wordless:
            told = 'a picture without alt="…"; write what it shows, or alt="" if it is only decoration'
            yield Finding("W033", told, (picture.src, "<mj-image", "<img"))
    shown = {picture.href: picture.src for picture in mail.page.pictures}
    for href in wordless:
        if href not in worded:  # else words beside the picture say where both lead
            told = "a link without words: give its picture an alt that says where it leads"
            yield Finding("W033", told, (shown.get(href, ""), mail.target_of(href), "<mj-image"))


def only_pictures(mail: Mail) -> Iterator[Finding]:
    """Hardly a word beside pictures: what spam filters read as hiding, and what is blank until they load."""
    words = sum(len(run.words) for run in mail.page.runs)
    if mail.page.pictures and words < FEW_WORDS:
        told = f"pictures with {words} words beside them: filters count it as spam, and it is empty until the pictures load"
        yield Finding("W046", told)
