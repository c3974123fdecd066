"""How long a server's certificate is good for yet."""

import ssl
from datetime import datetime

FEW_DAYS = 14


def days_left(until: str, now: datetime) -> int | None:
    """Whole days, from what the certificate calls `notAfter`; None where that is empty, for nothing was encrypted."""
    return int((ssl.cert_time_to_seconds(until) - now.timestamp()) // 86_400) if until else None
