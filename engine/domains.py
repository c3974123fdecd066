"""Domains of recipients: all spellings of one as one, as relays, limits, pauses and stops know it. Pure.

By IDNA 2008, as the envelope has them. The older rules, which Python's own codec keeps, make ss of ß: another domain.
"""

from functools import lru_cache

import idna


def domain_of(address: str) -> str:
    """The domain of a recipient as relays and limits name it; empty where there is none."""
    return folded_domain(address.rpartition("@")[2])


@lru_cache(4_096)
def folded_domain(domain: str) -> str:
    """All spellings of a domain as one: small letters, in ASCII. One that cannot be is in small letters."""
    try:
        return domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain.lower()


@lru_cache(4_096)
def in_letters(domain: str) -> str:
    """A folded domain as people write it."""
    try:
        return idna.decode(domain) if "xn--" in domain else domain
    except idna.IDNAError:
        return domain
