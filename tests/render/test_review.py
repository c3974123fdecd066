"""Each rule about mails, with what it is for and with what comes close to that and is right: a warning must be worth reading."""

from dataclasses import replace

import pytest

from engine.compiler.sender import Sender
from engine.render.artifact import Artifact
from engine.render.review.mail import TRACK, UNSUBSCRIBE, Mail
from engine.render.review.rules import faults_of
from engine.render.wire import Rendered

SUBJECT, PREHEADER = "The room that tells you when to open a window", "Three numbers, and what to do at each."
WORDS = (
    "Air goes stale before anybody notices it, and by the time that somebody does, half of the meeting has been slept through."
)
FOOTER = f'<p>1 High Street, Leeds. <a href="{UNSUBSCRIBE}" style="color:#333333">Unsubscribe</a></p>'
PAGE = '<html><body><div style="background:#FFFFFF;color:#333333">{}</div></body></html>'


def a_mail(html: str, *, text: str = "", subject: str = SUBJECT, **artifact: object) -> Mail:
    """A sound mail with this between its words and its footer."""
    whole = PAGE.format(f"<p>{WORDS}</p>{html}{FOOTER}")
    made = Artifact(
        email="guide", brand="main", stream="marketing", sender=Sender(name="Ann", address="ann@loaf.com"), subject=subject,
        preheader=PREHEADER, html=whole, text="", links=(),
    )  # fmt: skip
    return Mail(
        artifact=replace(made, **artifact),
        is_nobodys=False,
        has_end=True,
        is_worked_on=True,
        rendered=Rendered(subject=subject, html=whole, text=f"{WORDS} {text} 1 High Street, Leeds. {UNSUBSCRIBE}"),
        postal_address=("1 High Street", "Leeds"),
        colours=("#333333",),
        senders=("ann@loaf.com",),
    )


def codes(mail: Mail) -> set[str]:
    return {found.code for found in faults_of(mail)}


def link(href: str, words: str = "The guide to it", style: str = "color:#333333") -> str:
    return f'<p><a href="{href}" style="{style}">{words}</a></p>'


def box(words: str, style: str) -> str:
    return f'<div style="{style}">{words}</div>'


BUTTON = "display:inline-block;background:#0B6B5F;color:#FFFFFF;"
WRONG = {
    "E072": ['<img src="week.png" alt="A week" />', '<img src="file:///home/ann/week.png" alt="A week" />'],
    "E073": [
        link("https://localhost/guide"),
        link("http://10.0.0.7/guide"),
        link("https://172.20.1.1/guide"),
        link("https://www.example.com/guide"),
        link("https://your-company.com/guide"),
        link("mailto:"),
    ],
    "E074": [
        box("Please do not reply to this email.", ""),
        box("Do not reply: this inbox is not monitored.", ""),
        box("Bitte antworten Sie nicht auf diese E-Mail.", ""),
        box("Merci de ne pas répondre à ce message.", ""),
    ],
    "W033": ['<img src="https://loaf.com/a.png" />', link("https://loaf.com/a", '<img src="https://loaf.com/a.png" alt="" />')],
    "W034": [
        box("Only until Friday", "color:#999999"),
        box("Only until Friday", "background:#0B6B5F;color:#333333"),
        box("Only until Friday", "color:rgba(0,0,0,0.4)"),
        box("Only until Friday", "font-size:24px;color:#AAAAAA"),
    ],
    "W035": [link("http://loaf.com/guide"), '<img src="http://loaf.com/a.png" alt="A loaf" />'],
    "W036": [link("https://loaf.com/guide", "Click here"), link("https://loaf.com/guide", "Read more »")],
    "W037": [
        link("https://loaf.com/a", "The guide to it", BUTTON + "padding:4px 20px;line-height:20px"),
        link("https://loaf.com/a", "The guide", BUTTON + "padding:12px;line-height:20px")[:-4]
        + link("https://loaf.com/b", "The prices", BUTTON + "padding:12px;line-height:20px")[3:],
    ],
    "W045": [
        '<div style="display:flex">x</div>',
        '<div style="position:absolute">x</div>',
        "<style>.a { color: var(--ink); }</style>",
        "<style>" + ".a { padding: 1px; }\n" * 1000 + "</style>",
        '<img src="https://loaf.com/a.webp" alt="" />',
        "<video></video>",
        box("Words", "background-image:url(https://loaf.com/a.png);background:url(https://loaf.com/a.png)"),
    ],
    "W046": [
        link("https://bit.ly/3xYz"),
        link("https://elsewhere.com/", "www.loaf.com"),
        box("Dear friend,", ""),
        box("Dear Sir or Madam,", ""),
        box("It comes with a money back guarantee.", ""),
    ],
}
RIGHT = {
    "E072": ['<img src="https://loaf.com/week.png" alt="A week" />'],
    "E073": [
        link("https://www.domain.com.au/guide"),
        link("https://10.fm/guide"),
        link("https://yourstoreroom.com/"),
        link("mailto:ann@loaf.com"),
        link("tel:+442079460000"),
        link("https://localhost.com/"),
    ],
    "E074": [
        box("Please do not reply with your password.", ""),
        box("Do not reply to this mail with card details; call us.", ""),
        box("You do not answer to anybody but your oven.", ""),
        box("Just reply: somebody reads it.", ""),
    ],
    "W033": [
        '<img src="https://loaf.com/a.png" alt="" />',
        '<img src="https://loaf.com/pixel.gif" width="1" height="1" />',
        link("https://loaf.com/a", '<img src="https://loaf.com/a.png" alt="The guide" />'),
        link("https://loaf.com/a", '<img src="https://loaf.com/a.png" />') + link("https://loaf.com/a"),
    ],
    "W034": [
        box("Only until Friday", "color:#767676"),
        box("Only until Friday", "font-size:24px;color:#8A8A8A"),
        box("Only until Friday", "background:#0B6B5F;color:#FFFFFF"),
        box(box("Only until Friday", "color:rgba(255,255,255,0.9)"), "background:#15151C"),
        box("Only until Friday", "color:rgba(0,0,0,0.7)"),
        box(box("Only until Friday", "color:hsl(0 0% 100%)"), "background:#15151C"),
        box("·", "color:#DDDDDD"),
        box("Only until Friday", "display:none;color:#FFFFFF"),
    ],
    "W035": [link("https://loaf.com/guide")],
    "W036": [link("https://loaf.com/guide", "Read more about rye"), link("https://loaf.com/here", "Who is here")],
    "W037": [
        link("https://loaf.com/a", "The guide to it", BUTTON + "padding:14px 25px;font-size:13px;line-height:120%"),
        link("https://loaf.com/a"),
        link("https://loaf.com/a", '<img src="https://loaf.com/a.png" alt="Rye" /><p>Three ryes</p>', "display:block;color:#333"),
        link("https://loaf.com/a", "The guide", BUTTON + "padding:12px;line-height:20px")
        + "<p>or</p>"
        + link("https://loaf.com/b", "The prices", BUTTON + "padding:12px;line-height:20px"),
    ],
    "W045": [
        '<div style="background-position:center">x</div>',
        "<style>.a { color: #333333; }</style>",
        '<img src="https://loaf.com/a.png?from=webp" alt="" />',
        box("Words", "background:#333333 url(https://loaf.com/a.png);color:#FFFFFF"),
    ],
    "W046": [
        link("https://www.loaf.com/", "loaf.com"),
        link("https://elsewhere.com/", "what others say"),
        link("https://t.company/"),
        box("Our dear friend the oven.", ""),
        box("If you do not like it, we pay you back.", ""),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("code", "html"), [(code, html) for code, some in WRONG.items() for html in some])
def test_what_a_rule_is_for_is_told(code: str, html: str) -> None:
    assert code in codes(a_mail(html))


@pytest.mark.parametrize(("code", "html"), [(code, html) for code, some in RIGHT.items() for html in some])
def test_what_comes_close_to_it_and_is_right_is_not(code: str, html: str) -> None:
    assert codes(a_mail(html, text="https://loaf.com/a https://loaf.com/b")) == set()


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        ("OPEN THE WINDOW NOW", "W042"),
        ("Your order confirmation", "W042"),
        ("Bestellbestätigung", "W042"),
        ("Re: our talk", "W046"),
        ("Act now: 30 % off", "W046"),
        ("URGENT: your windows", "W046"),
        ("You have won!", "W046"),
        ("Sale!! Today", "W046"),
        ("Order A-7 is in", None),
        ("Ihre Bestellung A-7", None),
        ("Spring is here! So are we!", None),
        ("And the winner is rye", None),
        ("Nothing is urgent in winter", None),
        ("NASA and rye", None),
        ("ההזמנה שלך בדרך", None),
        ("Free returns for 60 days", None),
    ],
)
def test_a_subject_is_told_of_where_it_says_nothing_or_what_spam_says(subject: str, told: str | None) -> None:
    found = codes(replace(a_mail("", subject=subject, stream="transactional"), without_offer=a_mail("").rendered))

    assert found == ({told} if told else set())


def test_a_sound_mail_of_either_stream_has_no_fault() -> None:
    assert codes(a_mail("")) == set()
    assert codes(replace(a_mail("", stream="transactional"), without_offer=a_mail("").rendered)) == set()


def test_a_linked_picture_without_words_is_told_where_the_picture_stands() -> None:
    mail = a_mail(link("https://loaf.com/a", '<img src="https://loaf.com/a.png" alt="" />'))

    assert [finding.near[0] for finding in faults_of(mail) if finding.code == "W033"] == ["https://loaf.com/a.png"]


def test_what_marketing_owes_a_confirmation_does_not() -> None:
    bare = Rendered(subject=SUBJECT, html=PAGE.format(WORDS), text=WORDS)

    assert codes(replace(a_mail(""), rendered=bare)) == {"E070", "E071"}
    order = replace(a_mail("", stream="transactional"), rendered=bare, without_offer=bare)
    assert codes(order) == set()


def test_an_unsubscribe_link_that_nobody_sees_is_none() -> None:
    hidden = PAGE.format(f'{WORDS}<p style="display:none"><a href="{UNSUBSCRIBE}">Unsubscribe</a></p>1 High Street, Leeds')

    found = codes(replace(a_mail(""), rendered=replace(a_mail("").rendered, html=hidden)))

    assert found == {"E070"}


@pytest.mark.parametrize(("kilobytes", "is_told"), [(100, False), (103, True)])
def test_gmail_shows_102_kilobytes(kilobytes: int, is_told: bool) -> None:
    filler = "<p>" + "x" * (kilobytes * 1024 - len(a_mail("").rendered.html) - 7) + "</p>"

    assert ("W030" in codes(a_mail(filler, text=filler))) is is_told


def test_a_preheader_is_there_and_says_something_else() -> None:
    assert codes(a_mail("", preheader="")) == {"W032"}
    assert codes(a_mail("", preheader=SUBJECT + ".")) == {"W032"}


def test_a_text_part_has_the_words_and_the_links_of_the_buttons() -> None:
    button = link("https://loaf.com/a", "The guide to it", BUTTON + "padding:14px 25px;line-height:20px")

    assert codes(a_mail(button)) == {"W044"}
    assert codes(a_mail(button, text="https://loaf.com/a")) == set()
    another = replace(a_mail("").rendered, text=f"Look at our site. 1 High Street, Leeds. {UNSUBSCRIBE}")
    assert codes(replace(a_mail(""), rendered=another)) == {"W044"}


def test_dark_text_needs_a_ground_of_its_own_for_dark_mail_programs() -> None:
    def with_ground(style: str) -> Mail:
        html = a_mail("").rendered.html.replace("background:#FFFFFF;color:#333333", style)
        return replace(a_mail(""), rendered=replace(a_mail("").rendered, html=html))

    assert codes(with_ground("color:#333333")) == {"W047"}
    assert codes(with_ground("")) - {"W043"} == {"W047"}  # for the link in the footer has a colour
    assert codes(with_ground("background:#FFFFFF;color:#333333")) == set()


def test_an_offer_stands_below_the_message_and_is_small() -> None:
    message, offer = f"<p>{WORDS}</p>", "<p style='font-size:{}px'>Six filters for eighteen pounds.</p>"

    def with_offer(html: str, bare: str = message) -> set[str]:
        whole = Rendered(subject="Order A-7 is in", html=PAGE.format(html), text=html)
        without = replace(whole, html=PAGE.format(bare))
        return codes(replace(a_mail("", stream="transactional"), rendered=whole, without_offer=without))

    assert with_offer(message + offer.format(14)) == set()
    assert with_offer(offer.format(14) + message) == {"E075"}
    assert with_offer(message + offer.format(40)) == {"E075"}
    assert with_offer(message + offer.format(17)) == {"E075"}, "the message has 16"
    assert with_offer(f"<h2>Thanks</h2>{message}{offer.format(17)}", f"<h2>Thanks</h2>{message}") == set()


def test_the_eight_mistakes_of_a_confirmation_are_each_told() -> None:
    order = replace(a_mail("", stream="transactional"), without_offer=a_mail("").rendered)

    assert codes(replace(order, without_offer=None)) == {"W038"}
    assert codes(replace(order, is_nobodys=True)) == {"W039"}
    assert codes(replace(order, has_end=False)) == {"W048"}
    assert codes(replace(order, is_worked_on=False)) == {"W049"}
    assert codes(replace(order, senders=("no-reply@loaf.com",))) == {"E074"}
    assert codes(replace(order, senders=("nicht-antworten@loaf.com",))) == {"E074"}
    assert codes(replace(order, colours=("#A04000",))) == {"W043"}


def test_links_of_ours_are_no_fault() -> None:
    assert codes(a_mail(link(f"{TRACK}/w/sample", "Read in your browser"))) == set()
