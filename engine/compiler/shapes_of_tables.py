"""What the files beside the cadences may hold, key by key.

Before: `engine.compiler.shapes`. After: `read_workspace`, `read_events`, `read_fields` and `read_sales` take
their keys from here.
"""

from engine.compiler.shapes import Key as K
from engine.compiler.shapes import ListOf, MapOf, OneOf, Record, Value, choice, needed
from engine.compiler.shapes_of_windows import QUIET, WINDOW
from engine.expressions.fields import FieldType
from engine.vocabulary import EventType, Late

TOPIC = Record(title=needed(Value.TEXT, "What the reader sees when opting out."))
CONSENT = Record(unknown=K(choice(("nurture", "hold")), "What happens to leads who were never asked. Default: hold."))
CAPS = Record(
    per_day=K(Value.COUNT, "Marketing mails to one person in a day."),
    per_week=K(Value.COUNT, "In a week."),
    per_month=K(Value.COUNT, "In a month."),
)
HOLIDAYS = Record(
    usual=K(Value.COUNTRY, "Whose public holidays count for leads whose country is not known: GB, GB-SCT, DE-BY."),
    country_field=K(Value.FIELD_NAME, "The field that holds a lead's country."),
    region_field=K(Value.FIELD_NAME, "The field that holds the region."),
    also=K(ListOf(Value.DATE), "Days of your own, for everybody."),
)
BETWEEN = Record(
    first=K(choice(("priority", "deadline")), "Which of several mails to one person goes first. Default: priority."),
    loser=K(choice(("delay", "drop")), "What becomes of the others. Default: delay."),
)
WEBHOOK = Record(url=needed(Value.LINK, "Where steps post to."))
WORKSPACE = Record(
    name=needed(Value.TEXT, "Your company."),
    zone=K(Value.ZONE, "The time zone of leads whose own is not known. Default: UTC."),
    brand=K(Value.NAME, "A file of templates/brands/."),
    language=K(Value.LANGUAGE, "In which the plain files are written. Default: en."),
    topics=needed(MapOf(Value.NAME, TOPIC), "What a reader can opt out of."),
    consent=K(CONSENT, "What the law and you want of consent."),
    caps=K(CAPS, "The most marketing mail to one person over all cadences. Default: 1, 3 and 10."),
    window=K(WINDOW, "When mail goes out. Default: Monday to Friday, 09:00 to 17:00."),
    quiet=K(ListOf(QUIET), "Hours of every day without marketing mail, where the lead is."),
    holidays=K(HOLIDAYS, "On which days nobody should get mail."),
    between_cadences=K(BETWEEN, "What happens when several mails to one person are due."),
    webhooks=K(MapOf(Value.NAME, WEBHOOK), "Other systems that steps may tell something."),
)
LEAD_TYPES = tuple(kind.value for kind in FieldType if kind is not FieldType.LIST_OF)
DATA_TYPES = tuple(kind.value for kind in FieldType)
CHOICES = K(ListOf(Value.TEXT, 1), "What a choice may be.")
FIELD = Record(type=needed(choice(LEAD_TYPES), "What the field holds."), choices=CHOICES)
DATA_FIELD = Record(
    type=needed(choice(DATA_TYPES), "What the field holds."),
    choices=CHOICES,
    of=K(MapOf(Value.FIELD_NAME, FIELD), "The fields of each record of a list-of."),
    personal=K(Value.YES_NO, "yes: kept apart, and gone when the person is erased."),
)
LEADS = Record(fields=K(MapOf(Value.FIELD_NAME, FIELD), "What you know about a person beside key, email, zone and do_not_call."))
CONSIDERED = K(MapOf(Value.CODE, Value.TEXT), "Warnings that you let stand, by their code, each with its reason.")
EVENT = Record(
    title=needed(Value.TEXT, "The event in a few words."),
    counts_as=K(choice((EventType.PURCHASED.value,)), "purchased: it also answers purchased()."),
    email=K(Value.NAME, "The transactional email that goes out at once."),
    data=K(MapOf(Value.FIELD_NAME, DATA_FIELD), "What comes with it."),
    sample=K(MapOf(Value.FIELD_NAME, Value.ANY), "Such data, for previews."),
    considered=CONSIDERED,
)
EVENTS = Record(events=K(MapOf(Value.FIELD_NAME, EVENT), "What a shop or site may post."))
SEGMENT = Record({"title": needed(Value.TEXT, "The segment in a few words."), "if": needed(Value.CONDITION, "Who is in it.")})
SEGMENTS = Record(segments=K(MapOf(Value.NAME, SEGMENT), "Groups of leads with names, for conditions, `enter:` and enrol."))
POINT_RULE = Record(
    {
        "on": needed(Value.FIELD_NAME, "The type of event."),
        "if": K(Value.CONDITION, "Only such events: link, email, page, form and the event's data have names here."),
        "points": needed(Value.NUMBER, "How many; fewer than 0 takes some away."),
        "at_most": K(Value.NUMBER, "What the rule gives in all."),
        "fades": K(Value.SPAN, "After this time the points are gone."),
        "because": needed(Value.TEXT, "What sales reads: `clicked {link}`."),
    }
)
PROFILE_RULE = Record(
    {
        "if": needed(Value.CONDITION, "Who gets the points."),
        "points": needed(Value.NUMBER, "How many."),
        "because": needed(Value.TEXT, "What sales reads."),
    }
)
SCORING = Record(
    threshold=K(Value.NUMBER, "The score at which a hand is raised. Default: 60."),
    respond_within=K(Value.SPAN, "How long a rep has to answer. Default: 4 hours."),
    points=K(ListOf(POINT_RULE), "Points for what a lead does."),
    profile=K(ListOf(PROFILE_RULE), "Points for what a lead is."),
)
REP = Record(
    name=needed(Value.TEXT, "The rep's name."),
    email=needed(Value.ADDRESS, "Where raised hands are told."),
    phone=K(Value.TEXT, "For templates."),
    zone=K(Value.ZONE, "The rep's time zone."),
)
RULE = Record(
    {
        "if": K(Value.CONDITION, "Which leads; without it, all that are left."),
        "to": needed(ListOf(Value.NAME, 1), "Reps, who share them evenly."),
    }
)
ASSIGNMENT = Record(
    reps=K(MapOf(Value.NAME, REP), "Who sells."), rules=K(ListOf(RULE), "Who gets which lead: the first rule that fits.")
)
OFFER_WORDS = Record(
    title=needed(Value.TEXT, "Its heading."),
    text=needed(Value.TEXT, "Its words."),
    link=K(Value.LINK, "Where its button leads. Default: as in the plain one."),
    button=needed(Value.TEXT, "What the button says."),
)
OFFER = Record(
    {
        "priority": K(Value.WHOLE, "The highest that fits fills the slot. Default: 0."),
        "for": needed(ListOf(Value.NAME), "Transactional emails that may show it."),
        "if": K(Value.CONDITION, "Who may see it."),
        "title": needed(Value.TEXT, "Its heading."),
        "text": needed(Value.TEXT, "Its words."),
        "link": needed(Value.LINK, "Where its button leads."),
        "button": needed(Value.TEXT, "What the button says."),
        "languages": K(MapOf(Value.LANGUAGE, OFFER_WORDS), "The same in other languages; in others it is not offered."),
    }
)
OFFERS = Record(offers=K(MapOf(Value.NAME, OFFER), "What order and shipping mails may show besides."))
COLLATERAL = Record(
    file=needed(Value.FILE, "A file of attachments/."),
    title=needed(Value.TEXT, "What a mail calls it: `{{ collateral.title }}`."),
    interests=needed(ListOf(Value.TEXT, 1), "Who gets it: leads of whose `interests` it has one."),
    language=K(Value.LANGUAGE, "In which it is written. Default: it needs none."),
    expires=K(Value.DATE, "The last day on which it goes out."),
)
LIBRARY = Record(collateral=K(MapOf(Value.NAME, COLLATERAL), "Files that go to those who care for them."))
IDENTITY = Record(
    name=needed(Value.TEXT, "Who the mail is from: a person, or the brand."),
    address=needed(Value.ADDRESS, "From which address. Somebody must read what comes there."),
)
FONTS = Record(
    text=needed(Value.TEXT, "A list of fonts, as in CSS; the last should be serif or sans-serif."),
    headings=K(Value.TEXT, "Another list for headings. Default: that of the text."),
)
BRAND_LANGUAGE = Record(
    name=K(Value.TEXT, "The brand's name in this language."),
    postal_address=K(OneOf((ListOf(Value.TEXT), Value.TEXT)), "Where it is, as this language writes it."),
    site=K(Value.LINK, "Its site in this language."),
    footer=K(Value.TEXT, "The words under every mail."),
    links=K(MapOf(Value.NAME, Value.LINK), "Links that lead elsewhere in this language."),
)
LOGO = Record(
    picture=needed(Value.TEXT, "`cid:` and the name of a picture in templates/images/, or a link."),
    width=K(Value.COUNT, "How wide it is shown, in pixels. Default: 160."),
)
BRAND = Record(
    {
        "name": needed(Value.TEXT, "The brand's name."),
        "identities": needed(MapOf(Value.NAME, IDENTITY), "Who its mail can be from, each with a name to be called by."),
        "from": K(Value.NAME, "The identity of mails that name none. Not needed where there is only one."),
        "postal_address": needed(OneOf((ListOf(Value.TEXT), Value.TEXT)), "What the law wants under marketing mail."),
        "site": K(Value.LINK, "Its site."),
        "logo": K(LOGO, "Its logo, in the place of its name on top of each mail."),
        "colours": K(
            MapOf(Value.NAME, Value.TEXT),
            "primary, ink, paper, muted, background; with dark_ before them, for dark mail programs.",
        ),
        "fonts": K(FONTS, "In what its mails are set."),
        "footer": K(Value.TEXT, "The words under every mail."),
        "links": K(MapOf(Value.NAME, Value.LINK), "Links that templates may name."),
        "zone": K(Value.ZONE, "Its time zone."),
        "languages": K(MapOf(Value.LANGUAGE, BRAND_LANGUAGE), "What it says otherwise in other languages."),
    }
)
LINES = {
    "subject": K(Value.TEMPLATE, "The subject."),
    "preheader": K(Value.TEMPLATE, "The line that mailboxes show behind the subject."),
    "links": K(MapOf(Value.NAME, Value.LINK), "Links that the body may name."),
}
VARIANT = Record({**LINES, "share": K(Value.SHARE, "How many of all shares get it. Default: 1.")})
VARIANTS = K(
    MapOf(Value.NAME, OneOf((VARIANT, Value.SHARE))),
    "Other arms of this email, each with what differs or with its share; the email's own files are the arm `plain`.",
)
EMAIL_FILE = Record(
    {
        "subject": needed(Value.TEMPLATE, "The subject."),
        "preheader": K(Value.TEMPLATE, "The line that mailboxes show behind the subject."),
        "stream": needed(choice(("marketing", "transactional")), "Asked for by a cadence, or by the recipient's own act."),
        "owner": K(Value.NAME, "The rep who answers for it."),
        "brand": K(Value.NAME, "A file of templates/brands/. Default: the cadence's, else the workspace's."),
        "from": K(Value.NAME, "An identity of its brand, or `rep`: the lead's rep. Default: the cadence's, else the brand's."),
        "layout": K(Value.NAME, "A file of templates/layouts/."),
        "links": K(MapOf(Value.NAME, Value.LINK), "Links that the body may name."),
        "valid_for": K(Value.SPAN, "Transactional: how long after the event it is of use."),
        "late": K(choice((Late.SEND, Late.SKIP)), "What becomes of it after that. Default: skip."),
        "variants": VARIANTS,
        "to_try": K(Value.TEXT, "What you will try next to make it better."),
        "considered": CONSIDERED,
    }
)
EMAIL_LANGUAGE = Record(
    {
        **LINES,
        "subject": needed(Value.TEMPLATE, "The subject in this language."),
        "variants": K(MapOf(Value.NAME, Record(LINES)), "What the variants of the email say in this language."),
    }
)
PHRASES = Record(
    phrases=needed(
        MapOf(Value.FIELD_NAME, MapOf(Value.LANGUAGE, Value.TEMPLATE)),
        "What layouts and blocks say, by language: `{en: Total, de: Summe}`.",
    )
)
