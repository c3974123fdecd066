"""What relays.yaml may hold, key by key.

Before: `engine.compiler.shapes`. After: `engine.compiler.read_relays` takes its keys from here.
"""

from engine.compiler.relay import DECLARABLE
from engine.compiler.shapes import Key as K
from engine.compiler.shapes import ListOf, MapOf, Record, Value, choice, needed

WARM_UP = Record(
    {
        "from": needed(Value.DATE, "Its first day; before it, no marketing mail goes through the relay."),
        "mails": needed(Value.COUNT, "How many mails go through it on the first day."),
        "grows": needed(Value.PERCENT, "How many more each day: 30%."),
        "until": needed(Value.COUNT, "The warm-up is over on the day that would bring more than so many."),
    }
)
RELAY = Record(
    weight=K(Value.SHARE, "Its share among the relays that fit. Default: 1. 0: only when the others are away."),
    streams=K(ListOf(choice(DECLARABLE), 1), "Which mail it takes. Default: both; notices to reps go with transactional."),
    brands=K(ListOf(Value.NAME, 1), "Of which brands. Default: all."),
    domains=K(ListOf(Value.DOMAIN, 1), "To which recipient domains, for which it is preferred. Default: all."),
    warm_up=K(WARM_UP, "How many mails a day, while its servers are new to the world."),
)
LIMIT = Record(
    per_hour=K(Value.COUNT, "The most mails in an hour, by all workers together."),
    connections=K(Value.COUNT, "The most connections at once on which one process has mail for it under way."),
)
RELAYS = Record(
    relays=K(MapOf(Value.NAME, RELAY), "The mail servers that mail goes out through. Default: one, `main`."),
    limits=K(MapOf(Value.DOMAIN, LIMIT), "What recipient domains bear; `others`: each domain that is not named."),
)
