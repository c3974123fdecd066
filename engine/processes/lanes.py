"""The lanes: which rows travel in which queue, in what portions. Mail that somebody waits for never queues behind a nurture.

Before: `engine.claim` claims rows. After: the dispatcher fills the queues, the workers empty them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from engine.claim import POST, REACTION, SEND, TOUCH, Claim, Noun
from engine.schema import sends
from engine.vocabulary import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A queue and the rows on it: a job carries up to `portion` of them, and up to `room` may lie there not begun.

    `room` bounds what a lost queue delays, and must be worked off within the lease that a row has in a queue.
    """

    queue: str
    noun: Noun
    only: sa.ColumnElement[bool] | None = None
    portion: int = 64
    room: int = 1_024  # some portions


AWAITED_STREAMS = (Stream.TRANSACTIONAL, Stream.INTERNAL)  # named one by one: an index serves IN, and not "is not"

REACTIONS = Lane(queue="reaction", noun=REACTION)
TRANSACTIONAL = Lane(queue="transactional", noun=SEND, only=sends.c.stream.in_(AWAITED_STREAMS), portion=8, room=400)
# Twice what a worker writes, marks and records together: to decide or load them takes the same statements for many.
TOUCHES = Lane(queue="touch", noun=TOUCH, portion=128)
MARKETING = Lane(queue="marketing", noun=SEND, only=sends.c.stream == Stream.MARKETING, portion=128)
POSTS = Lane(queue="post", noun=POST, portion=1, room=12)  # each may take as long as another system takes to answer

LANES = (REACTIONS, TRANSACTIONAL, TOUCHES, MARKETING, POSTS)  # the most urgent first
EXPRESS = (REACTIONS, TRANSACTIONAL)  # has threads of its own in every worker
BULK = (TOUCHES, MARKETING)
OUTGOING = (TRANSACTIONAL, TOUCHES, MARKETING, POSTS)  # what ends with something that leaves
OUTWARD = (POSTS,)  # so that a slow system of somebody else's delays no mail

PublishJob = Callable[[Lane, list[Claim]], None]
