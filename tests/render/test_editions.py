"""Languages and variants of an email: which versions there are, of what each is made, and what is refused."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from engine.render import fence, wire
from engine.render.artifact import Artifact, Edition
from engine.render.library import compile_emails
from engine.render.manners import manner_of
from tests.render.conftest import BRAND, EMAIL, LAYOUT, make_values, text_body, told

PLAIN = {
    "emails/welcome/email.yaml": EMAIL,
    "emails/welcome/body.mjml": text_body("Hello there"),
    "layouts/default.mjml": LAYOUT,
}
QUESTION = EMAIL + 'variants: {question: {subject: "Well?"}}\n'
GERMAN = {
    "emails/welcome/languages/de/email.yaml": 'subject: "Hallo"\npreheader: "Ein Gedanke."\n',
    "emails/welcome/languages/de/body.mjml": text_body("Guten Tag"),
}
YAML = "emails/welcome/email.yaml"
GERMAN_YAML = "emails/welcome/languages/de/email.yaml"
PHRASES = "phrases:\n  leave: {en: Unsubscribe, de: 'Von {{ brand.name }} abmelden'}\n"


def compile_all(folder: Path, files: Mapping[str, str], brand: Mapping[str, object] = BRAND) -> tuple[Edition | None, list[str]]:
    """The edition of `welcome`, and what is wrong; files by their paths below templates/."""
    for name, text in {**PLAIN, **files}.items():
        path = folder / "templates" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    editions, problems = compile_emails(folder, {"fern": brand}, [("welcome", "fern")])
    return editions.get(("welcome", "fern")), [told(problem).removeprefix("templates/emails/welcome/") for problem in problems]


def made(folder: Path, files: Mapping[str, str], brand: Mapping[str, object] = BRAND) -> Edition:
    edition, problems = compile_all(folder, files, brand)
    assert edition is not None, problems
    return edition


def test_plain_files_are_the_only_version_of_an_email_without_others(tmp_path: Path) -> None:
    edition = made(tmp_path, {})

    assert [*edition.artifacts] == [("en", "plain")]
    assert edition.copy.arms == ()
    assert edition.copy.plain == edition.plain.hash


def test_a_test_of_two_subjects_is_one_line_and_the_plain_files_are_an_arm(tmp_path: Path) -> None:
    edition = made(tmp_path, {YAML: QUESTION})

    assert edition.shares == {"plain": 1, "question": 1}
    plain, question = edition.artifacts["en", "plain"], edition.artifacts["en", "question"]
    assert (plain.subject, question.subject) == ("Hello", "Well?")
    assert (plain.html, plain.preheader, question.arm) == (question.html, question.preheader, "question")


def test_a_variant_may_have_a_body_and_a_share_of_its_own(tmp_path: Path) -> None:
    files = {
        YAML: EMAIL + "variants: {short: 3, plain: {share: 0}}\n",
        "emails/welcome/variants/short/body.mjml": text_body("Hi"),
        "emails/welcome/text.txt": "By hand: {{ unsubscribe_url }}",
    }

    edition = made(tmp_path, files)

    assert edition.shares == {"plain": 0, "short": 3}
    short = edition.artifacts["en", "short"]
    assert "Hi" in short.html
    assert "Hi" in short.text, "the text by hand belongs to the plain body"
    assert "By hand" in edition.plain.text


def test_a_language_has_words_of_its_own_all_through(tmp_path: Path) -> None:
    layout = LAYOUT.replace("Unsubscribe", "{{ phrases.leave }}").replace("{{ brand.name }}", "{{ brand.footer }}")
    brand = {**BRAND, "footer": "Made in Bristol", "languages": {"de": {"footer": "Aus Bristol"}}}

    edition = made(tmp_path, {**GERMAN, "layouts/default.mjml": layout, "phrases.yaml": PHRASES}, brand)

    german, plain = edition.artifacts["de", "plain"], edition.plain
    assert [part in german.html for part in ("Guten Tag", "Von Fern &amp; Moss abmelden", "Aus Bristol", 'lang="de"')] == [
        True
    ] * 4
    assert [part in plain.html for part in ("Hello there", ">Unsubscribe<", "Made in Bristol", 'lang="en"')] == [True] * 4
    assert (german.subject, german.preheader, german.language) == ("Hallo", "Ein Gedanke.", "de")


def test_a_language_written_from_right_to_left_says_so(tmp_path: Path) -> None:
    files = {name.replace("/de/", "/ar/"): text for name, text in GERMAN.items()}

    edition = made(tmp_path, {**files, "layouts/default.mjml": LAYOUT.replace("<mjml>", '<mjml lang="en" dir="ltr">')})

    assert 'lang="ar"' in edition.artifacts["ar", "plain"].html
    assert 'dir="rtl"' in edition.artifacts["ar", "plain"].html
    assert 'dir="ltr"' in edition.plain.html


def test_money_and_dates_are_written_as_the_language_writes_them(tmp_path: Path) -> None:
    words = "{{ event.total | money('EUR') }}, {{ event.on | date }}, {{ event.share }}"
    files = {**GERMAN, "emails/welcome/body.mjml": text_body(words), "emails/welcome/languages/de/body.mjml": text_body(words)}
    values = make_values(event={"total": 1249.5, "on": date(2026, 3, 12), "share": 0.5})

    edition = made(tmp_path, files)

    german = Artifact.from_json(edition.artifacts["de", "plain"].to_json())
    assert "1.249,50\xa0€, 12. März 2026, 0,5" in wire.render(german, values).html
    assert "€1,249.50, 12 March 2026, 0.5" in wire.render(edition.plain, values).html
    assert fence.render(german, values) == wire.render(german, values)


@pytest.mark.parametrize(
    ("language", "money", "day"),
    [
        ("fr", "1\u202f249,50\xa0€", "12 mars 2026"),
        ("es", "1.249,50\xa0€", "12 de marzo de 2026"),
        ("nl", "€\xa01.249,50", "12 maart 2026"),
        ("ja", "€1,249.50", "2026年3月12日"),
    ],
)
def test_other_languages_have_their_own_ways(language: str, money: str, day: str) -> None:
    manner = manner_of(language)

    assert manner is not None
    assert (manner.amount(1249.5, "€"), manner.date(date(2026, 3, 12))) == (money, day)
    assert manner_of("xx") is None


def test_every_language_has_every_arm(tmp_path: Path) -> None:
    german = GERMAN[GERMAN_YAML] + 'variants: {question: {subject: "Nun?"}}\n'

    edition = made(tmp_path, {**GERMAN, YAML: QUESTION, GERMAN_YAML: german})

    assert sorted(edition.artifacts) == [("de", "plain"), ("de", "question"), ("en", "plain"), ("en", "question")]
    assert edition.artifacts["de", "question"].subject == "Nun?"
    assert "Guten Tag" in edition.artifacts["de", "question"].html


@pytest.mark.parametrize(
    ("files", "wrong"),
    [
        (
            {**GERMAN, YAML: QUESTION},
            'languages/de/email.yaml:1:1: the variant "question" has a subject of its own, and none in "de": '
            "write `subject:` for it, under `variants:`",
        ),
        (
            {**GERMAN, YAML: EMAIL + "variants: {short: 1}\n", "emails/welcome/variants/short/body.mjml": text_body("Hi")},
            'languages/de/email.yaml:1:1: the variant "short" has a body of its own, and none in "de": '
            "write variants/short/body.mjml",
        ),
        (
            {YAML: EMAIL + "variants: {short: 1}\n"},
            'email.yaml:4:12: the variant "short" differs in nothing: give it a subject here, or a body in variants/short/',
        ),
        ({"emails/welcome/language/de/body.mjml": "x"}, 'language:1:1: unknown folder "language" (did you mean "languages"?)'),
        (
            {YAML: QUESTION, "emails/welcome/variants/qestion/body.mjml": text_body("Hi")},
            'variants/qestion:1:1: unknown variant "qestion" (did you mean "question"?)',
        ),
        (
            {YAML: QUESTION, "emails/welcome/variants/question/email.yaml": "subject: a"},
            "variants/question/email.yaml:1:1: this file is not read here; "
            "a variant's lines stand in email.yaml, under `variants:`",
        ),
        (
            {YAML: EMAIL + "variants: {plain: 0, q: {share: 0, subject: a}}\n"},
            "email.yaml:4:22: nobody can draw an arm: the share of each is 0",
        ),
        (
            {YAML: EMAIL + "variants: {q: {share: half, subject: a}}\n"},
            "email.yaml:4:23: a share is a whole number: 1 and 1, or 45 and 45 and 10; 0 and nobody draws it any more",
        ),
        (
            {YAML: EMAIL + "variants: {plain: {subject: a}, q: {subject: b}}\n"},
            "email.yaml:4:20: `plain` is the email's own files: write its subject at the top of this file",
        ),
        (
            {YAML: EMAIL + "variants: {plain: 1}\n"},
            "email.yaml:4:11: a test needs a variant beside the plain files: `variants: {another: {subject: …}}`",
        ),
        (
            {YAML: EMAIL + "variants: {Q: {subject: b}}\n"},
            'email.yaml:4:12: "Q" cannot be a name: begin with a small letter, go on with a-z, 0-9, - and _',
        ),
        (
            {YAML: EMAIL + "variants: {q: {subjet: b, subject: c}}\n"},
            'email.yaml:4:16: unknown key "subjet" (did you mean "subject"?)',
        ),
        ({**GERMAN, GERMAN_YAML: 'preheader: "Ein Gedanke."\n'}, 'languages/de/email.yaml:1:1: the key "subject" is missing'),
        ({YAML: EMAIL.replace('"Hello"', "[Hello]")}, "email.yaml:1:10: subject must be a text"),
        (
            {**GERMAN, GERMAN_YAML: 'subject: "Hallo"\n'},
            'languages/de/email.yaml:1:1: the key "preheader" is missing: the plain files have one, which is in another language',
        ),
        (
            {GERMAN_YAML: GERMAN[GERMAN_YAML]},
            "languages/de/body.mjml:1:1: this file is missing: a language needs a body of its own",
        ),
        (
            {**GERMAN, GERMAN_YAML: GERMAN[GERMAN_YAML] + "variants: {q: {subject: a}}\n"},
            'languages/de/email.yaml:3:12: unknown variant "q"; there is none',
        ),
        (
            {**GERMAN, YAML: QUESTION, GERMAN_YAML: GERMAN[GERMAN_YAML] + "variants: {question: {subject: a, prehaeder: b}}\n"},
            'languages/de/email.yaml:3:35: unknown key "prehaeder" (did you mean "preheader"?)',
        ),
        (
            {**GERMAN, YAML: QUESTION, GERMAN_YAML: GERMAN[GERMAN_YAML] + "variants: {question: {subject: a, share: 2}}\n"},
            'languages/de/email.yaml:3:35: unknown key "share"; there are links, preheader, subject',
        ),
        (
            {
                **GERMAN,
                YAML: EMAIL + "variants: {short: 1}\n",
                GERMAN_YAML: GERMAN[GERMAN_YAML] + "variants: {short: 2}\n",
                "emails/welcome/variants/short/body.mjml": text_body("Hi"),
                "emails/welcome/languages/de/variants/short/body.mjml": text_body("Hallo"),
            },
            "languages/de/email.yaml:3:19: a variant in a language has lines of its own: `{subject: …}`; "
            "its share is the email's",
        ),
        (
            {"emails/welcome/languages/de-AT/email.yaml": "subject: a\n"},
            'languages/de-AT:1:1: "de-AT" is not a language; name the folder by its two or three letters: de, fr',
        ),
        (
            {"emails/welcome/languages/en/email.yaml": "subject: a\n"},
            'languages/en:1:1: the plain files are in "en" already: workspace.yaml says so',
        ),
        (
            {"layouts/default.mjml": LAYOUT.replace("Unsubscribe", "{{ phrases.leav }}"), "phrases.yaml": PHRASES},
            'templates/layouts/default.mjml:6:1: cannot be put together: templates/phrases.yaml has no phrase "leav" in "en"',
        ),
    ],
)
def test_what_would_show_another_arm_or_language_than_the_recorded_one_is_refused(
    tmp_path: Path, files: Mapping[str, str], wrong: str
) -> None:
    edition, problems = compile_all(tmp_path, files)

    assert edition is None
    assert problems == [wrong]
