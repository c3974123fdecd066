"""`GET /health`: whether this process can take in what the world says. Asks no database: it serves clicks without one. The broker
is asked, and waited for two seconds at most: what is taken in waits for it.

For load balancers and people. 503 only when the journal cannot keep anything, so that another process gets the traffic.
"""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from engine.processes.reach import broker_answers
from webhooks.receiver import Receiver


def pages(receiver: Receiver) -> Blueprint:
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/health")
    def health() -> ResponseReturnValue:
        standing = receiver.drainer.standing()
        behind = 0.0 if standing.oldest_at is None else (receiver.clock.now() - standing.oldest_at).total_seconds()
        broker = broker_answers(receiver.runtime.settings.broker_url)
        is_well = standing.database_answers and receiver.journal.is_sound and broker is not False
        facts = {
            "status": "ok" if is_well else "degraded",
            "database": "answers" if standing.database_answers else "does not answer",
            "broker": "in this process" if broker is None else "answers" if broker else "does not answer",
            "journal": "writes" if receiver.journal.is_sound else "does not write",
            "journal_bytes": receiver.journal.size,
            "waiting": standing.waiting,
            "behind_seconds": round(max(0.0, behind), 1),
            "lost": receiver.lost,
        }
        return jsonify(facts), 200 if receiver.journal.is_sound else 503

    return blueprint
