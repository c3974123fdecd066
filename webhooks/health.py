"""`GET /health`: whether this process can take in what the world says. Asks no database: it serves clicks without one. The broker
is asked as well, since what is taken in waits for it; one that hangs holds up the answer for half a second at most.

For load balancers and people. 503 only when the journal cannot keep anything, so that another process gets the traffic.
"""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webhooks.receiver import Receiver


def pages(receiver: Receiver) -> Blueprint:
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/health")
    def health() -> ResponseReturnValue:
        standing = receiver.drainer.standing()
        behind = 0.0 if standing.oldest_at is None else (receiver.clock.now() - standing.oldest_at).total_seconds()
        broker = "in this process" if receiver.broker is None else in_words(receiver.broker.found())
        is_well = standing.database_answers and receiver.journal.is_sound and broker != in_words(False)
        facts = {
            "status": "ok" if is_well else "degraded",
            "database": in_words(standing.database_answers),
            "broker": broker,
            "journal": "writes" if receiver.journal.is_sound else "does not write",
            "journal_bytes": receiver.journal.size,
            "waiting": standing.waiting,
            "behind_seconds": round(max(0.0, behind), 1),
            "lost": receiver.lost,
        }
        return jsonify(facts), 200 if receiver.journal.is_sound else 503

    return blueprint


def in_words(answers: bool | None) -> str:
    return "answers" if answers else "does not answer"
