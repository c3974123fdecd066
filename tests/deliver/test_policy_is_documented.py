"""docs/delivery.md shows the tables of `engine.deliver.replies` as they are: `python -m tests.deliver.test_policy_is_documented`
prints them.
"""

from datetime import timedelta

from engine.deliver.replies import POLICIES, ROWS, Mail, Policy, Rest, Row
from engine.settings import MAIN, url_setting
from tests.source import ROOT


def test_the_tables_in_the_documentation_are_those_of_the_code() -> None:
    assert tables() in (ROOT / "docs" / "delivery.md").read_text()


def tables() -> str:
    return "\n".join(
        (
            "| said | code | enhanced | words | is about |",
            "|---|---|---|---|---|",
            *map(line_of_row, ROWS),
            "",
            "| about | means | the mail | left alone | the address | operators |",
            "|---|---|---|---|---|---|",
            *(line_of_policy(about, policy) for about, policy in POLICIES.items()),
            "",
        )
    )


def line_of_row(row: Row) -> str:
    said = " or ".join(row.where) or "at any time"
    cells = (said, ", ".join(row.codes) or "any", ", ".join(row.enhanced) or "any", row.words or "any", f"`{row.about}`")
    return f"| {' | '.join(cells)} |"


def line_of_policy(about: str, policy: Policy) -> str:
    advice = policy.advice.format(url=url_setting(MAIN)) or "–"
    return f"| `{about}` | {policy.means} | {mail(policy)} | {left_alone(policy)} | {address(policy)} | {advice} |"


def mail(policy: Policy) -> str:
    return policy.mail if policy.mail != Mail.AS_SAID or policy.domain is None else f"{policy.mail}; 4xx: when the domain is open"


def left_alone(policy: Policy) -> str:
    named = (("relay", policy.relay), ("domain", policy.domain))
    return " ".join(f"the {name}: {rest_in_words(rest)}" for name, rest in named if rest is not None) or "–"


def rest_in_words(rest: Rest) -> str:
    since = "" if rest.after == 1 else f"after {rest.after} in a row "
    return f"{since}{span(rest.first)}, doubling to {span(rest.longest)}"


def span(time: timedelta) -> str:
    seconds = int(time.total_seconds())
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min" if seconds < 3_600 else f"{seconds // 3_600} h"


def address(policy: Policy) -> str:
    if policy.suppress_after is None:
        return "–"
    return "suppressed at once" if policy.suppress_after == 1 else f"suppressed after {policy.suppress_after} mails in 30 days"


if __name__ == "__main__":
    print(tables())
