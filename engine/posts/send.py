"""The pipeline of posts: from claimed rows to recorded answers, one after the other.

    begin → for each: load → sign → post → record

Before: the dispatcher claimed what was due. After: the row says what the other system answered. At least once: a process that
dies between an answer and its record posts again, under the same id, by which the receiver knows it.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from engine import crash, metrics
from engine.claim import POST, Claim, begin, put_back
from engine.database import Tx
from engine.log import ADDRESS
from engine.pauses import pauses_now
from engine.persist import persist
from engine.posts.fates import PostFate, fate_of
from engine.posts.load import Loaded, load_post
from engine.posts.sign import signed_headers
from engine.posts.wire import Answered, PostOutcome, PostRequest
from engine.runtime import Runtime
from engine.said import on_one_line
from engine.schema import posts
from engine.vocabulary import PostState, Reason

LONGEST_ANSWER = 500


def post_claimed(runtime: Runtime, claims: Sequence[Claim]) -> None:
    """Post what is claimed. A stale claim is dropped in silence: somebody else has it."""
    with runtime.database.write() as tx:
        if pauses_now(tx).stops_all:
            put_back(tx, POST, claims)
            return
        begun = begin(tx, POST, claims, worker_id=runtime.worker_id)
    held = [claim for claim in claims if claim[0] in begun]
    crash.point("post-begun")
    while held and runtime.has_lease():
        post_one(runtime, held.pop(0))
    if held:
        persist(runtime.database, lambda tx: put_back(tx, POST, held))


def post_one(runtime: Runtime, claim: Claim) -> None:
    with runtime.database.read() as tx:
        loaded = load_post(tx, claim)
    if isinstance(loaded, Reason):
        failed = PostFate(state=PostState.FAILED, reason=loaded)
        persist(runtime.database, lambda tx: record(tx, claim, failed, None, ()))
    elif loaded is not None:
        outcome = runtime.posts.post(request_of(runtime, loaded))
        crash.point("post-answered")
        persist(runtime.database, lambda tx: record(tx, claim, fate(tx, loaded, outcome), outcome, loaded.told))
        metrics.POSTS.labels(type(outcome).__name__.lower()).inc()


def request_of(runtime: Runtime, loaded: Loaded) -> PostRequest:
    """The id is the installation's and the row's own, the same at every attempt."""
    secrets = runtime.tokens.webhook_secrets(loaded.webhook)
    webhook_id = f"post_{runtime.tokens.fingerprint[:12]}_{loaded.id}"
    headers = signed_headers(secrets, webhook_id, loaded.now, loaded.body)
    return PostRequest(webhook=loaded.webhook, url=loaded.url, headers=headers, body=loaded.body)


def fate(tx: Tx, loaded: Loaded, outcome: PostOutcome) -> PostFate:
    return fate_of(outcome, attempts=loaded.attempts + 1, created_at=loaded.created_at, now=tx.now)


def record(tx: Tx, claim: Claim, fate: PostFate, outcome: PostOutcome | None, told: Sequence[str]) -> None:
    """By compare-and-set: a row that somebody else holds by now stays as it is."""
    is_over = fate.wait is None
    changed = (
        sa.update(posts)
        .where(posts.c.id == claim[0], posts.c.epoch == claim[1], posts.c.state == PostState.CLAIMED)
        .values(
            state=fate.state,
            reason=fate.reason,
            due_at=None if fate.wait is None else tx.now + fate.wait,
            ended_at=tx.now if is_over else None,
            attempts=posts.c.attempts + (0 if outcome is None else 1),
            status_code=outcome.status if isinstance(outcome, Answered) else None,
            answer=None if outcome is None else words_of(outcome, told),
            worker_id=None,
            lease_until=None,
            claims=0,
        )
    )
    tx.run(changed)


def words_of(outcome: PostOutcome, told: Sequence[str]) -> str:
    """What came back, on one line and without what it repeats of the lead: that stands in `leads` alone."""
    words = outcome.text if isinstance(outcome, Answered) else outcome.why
    for value in sorted(told, key=len, reverse=True):
        words = words.replace(value, "…")
    return on_one_line(ADDRESS.sub("<address>", words), LONGEST_ANSWER)
