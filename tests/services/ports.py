"""Ports for the servers of tests, each given to one of them alone, however many test processes run side by side."""

import random
import socket
from collections import deque

PORTS = range(20_000, 32_000)  # below those that Linux gives to outgoing connections, which take a port that is free for a moment
MOST_HELD = 400

_draws = random.Random()  # not the common one, which some tests seed alike in every process
_held: deque[socket.socket] = deque(maxlen=MOST_HELD)  # the oldest is let go of


def free_port() -> int:
    """A TCP port on which nobody listens. Until this process ends, or wants hundreds more, no other is given it: the UDP port
    of the same number stands for that.
    """
    for _ in PORTS:
        if reserve(port := _draws.choice(PORTS)):
            return port
    raise AssertionError("no port is free")


def reserve(port: int) -> bool:
    sign = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sign.bind(("127.0.0.1", port))
        with socket.create_server(("127.0.0.1", port)):
            pass
    except OSError:
        sign.close()
        return False
    _held.append(sign)
    return True
