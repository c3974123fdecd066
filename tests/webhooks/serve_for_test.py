"""A receiver in a process of its own, for a test to kill: `python -m tests.webhooks.serve_for_test WORKSPACE URL PORT`."""

import sys
from pathlib import Path

from waitress import serve

from engine.clock import VirtualClock
from engine.database import Database
from tests.webhooks.place import Place

if __name__ == "__main__":
    workspace, url, port = sys.argv[1:]
    place = Place(Database.open(url), VirtualClock(), Path(workspace))
    place.receiver.start()
    serve(place.app, host="127.0.0.1", port=int(port), threads=4)
