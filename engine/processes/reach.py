"""Whether the broker can be reached, for those who ask how things are.

Before: a person calls `handraiser status`, or a load balancer asks for `/health`. After: they are told. While it is away nothing
is lost: rows stay due, and processes try again by themselves.
"""

from importlib import import_module
from urllib.parse import urlsplit

SECONDS = 1.0


def is_in_process(url: str) -> bool:
    """Whether jobs stay in the process that publishes them."""
    return urlsplit(url).scheme == "memory"


def broker_answers(url: str) -> bool | None:
    """Asked once, with a second to connect and a second to answer. None: jobs stay in the process, and nothing can be away."""
    if is_in_process(url):
        return None
    redis = import_module("redis")  # costs a sixth of a second, which whoever has none need not wait
    never_again = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=SECONDS, socket_timeout=SECONDS, retry=never_again) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
