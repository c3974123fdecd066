"""The lines between the product and what it depends on, which a test cuts, slows down and mends.

Before: a trial whose processes have not started. After: they reach the database, Redis and the mail server through these.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from urllib.parse import urlsplit

from tests.crash.trial import Trial
from tests.services.proxy import Line, proxied

COMMIT = b"COMMIT\0"  # as libpq spells the statement
Break = Callable[["Lines", float, Random], None]  # what goes wrong, for so many seconds


@dataclass(slots=True, kw_only=True)
class Lines:
    """`wait` lets the product work on meanwhile."""

    sql: Line
    redis: Line
    smtp: Line
    wait: Callable[[float], None]


@contextmanager
def lines_of(trial: Trial) -> Iterator[Lines]:
    environment = dict(trial.product.environment)
    smtp_url, redis_url = environment["HANDRAISER_SMTP_URL"], environment["HANDRAISER_BROKER_URL"]
    socket = f"{trial.database.engine.url.query['host']}/.s.PGSQL.5432"
    with proxied(socket) as sql, proxied(target_of(redis_url)) as redis, proxied(target_of(smtp_url)) as smtp:
        url = trial.database.engine.url.set(host=sql.host, port=sql.port, query={})
        trial.product.environment = environment | {
            "HANDRAISER_DATABASE_URL": url.render_as_string(hide_password=False),
            "HANDRAISER_BROKER_URL": f"redis://{redis.host}:{redis.port}/0",
            "HANDRAISER_SMTP_URL": f"smtp://{smtp.host}:{smtp.port}?{urlsplit(smtp_url).query}",
        }
        yield Lines(sql=sql, redis=redis, smtp=smtp, wait=trial.run_for)


def target_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    return parts.hostname, parts.port


def dropped(line: Line, lines: Lines, seconds: float) -> None:
    for _ in range(4):
        line.drop()
        lines.wait(seconds / 4)


def reset(line: Line, lines: Lines, seconds: float) -> None:
    for _ in range(4):
        line.reset()
        lines.wait(seconds / 4)


def refused(line: Line, lines: Lines, seconds: float) -> None:
    line.refuse()
    lines.wait(seconds)
    line.heal()


def hung(line: Line, lines: Lines, seconds: float) -> None:
    """In the end the network says that the host is gone."""
    line.hang()
    lines.wait(seconds)
    line.reset()
    line.heal()


def commits_cut(lines: Lines, seconds: float, chance: Random) -> None:
    for _ in range(8):
        lines.sql.cut(at=COMMIT, answer_is_lost=chance.random() < 0.5)
        lines.wait(seconds / 8)


def sql_slow(lines: Lines, seconds: float, _chance: Random) -> None:
    """Five seconds for every round trip."""
    lines.sql.slow(up=2.5, down=2.5)
    lines.wait(max(seconds, 12))
    lines.sql.heal()


def mails_cut(lines: Lines, seconds: float, chance: Random) -> None:
    for _ in range(4):
        lines.smtp.cut(after=chance.randrange(1, 40_000))
        lines.wait(seconds / 4)


BREAKS: dict[str, Break] = {
    "SQL: connections dropped": lambda lines, seconds, _chance: dropped(lines.sql, lines, seconds),
    "SQL: connections reset": lambda lines, seconds, _chance: reset(lines.sql, lines, seconds),
    "SQL: commits cut before or after they were made": commits_cut,
    "SQL: refused": lambda lines, seconds, _chance: refused(lines.sql, lines, seconds),
    "SQL: silent, then reset": lambda lines, seconds, _chance: hung(lines.sql, lines, seconds),
    "SQL: 5 s for a round trip": sql_slow,
    "Redis: connections dropped": lambda lines, seconds, _chance: dropped(lines.redis, lines, seconds),
    "Redis: refused": lambda lines, seconds, _chance: refused(lines.redis, lines, seconds),
    "Redis: silent, then reset": lambda lines, seconds, _chance: hung(lines.redis, lines, seconds),
    "SMTP: connections dropped": lambda lines, seconds, _chance: dropped(lines.smtp, lines, seconds),
    "SMTP: connections reset": lambda lines, seconds, _chance: reset(lines.smtp, lines, seconds),
    "SMTP: cut after so many bytes": mails_cut,
    "SMTP: refused": lambda lines, seconds, _chance: refused(lines.smtp, lines, seconds),
    "SMTP: silent, then reset": lambda lines, seconds, _chance: hung(lines.smtp, lines, seconds),
}
