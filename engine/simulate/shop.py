"""A shop and its site, which tell the receiver of orders, visits and forms, signed as they must be (Standard Webhooks).

For the demo. Before: a simulated customer buys. After: the receiver asks for the confirmation, in the event's own transaction.
"""

import http.client
import json
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from engine.clock import Clock
from webhooks.signature import key_bytes, signature

PRICES = {"Room monitor with particles": ("MON-PM", 249.0), "Wall bracket, white": ("BRACKET", 9.5)}
MONITORS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """`url`: of the receiver. `key`: what both know."""

    url: str
    key: str
    clock: Clock

    def place_order(self, email: str, number: str, at: datetime) -> None:
        """Somebody ordered a few monitors."""
        items = [{"name": name, "sku": sku, "quantity": MONITORS, "price": price} for name, (sku, price) in PRICES.items()]
        data: dict[str, object] = {
            "number": number,
            "items": items,
            "total": sum(MONITORS * price for _sku, price in PRICES.values()),
            "currency": "GBP",
            "ship_to": "1 Orchard Rise, Leeds LS8 0ZZ",
        }
        self.post("order_placed", email, number, data, at)

    def ship_order(self, email: str, number: str, at: datetime) -> None:
        """The order left the warehouse."""
        data = {
            "number": number,
            "parcels": 1,
            "carrier": "Parcelway",
            "tracking_url": f"https://track.parcelway.example/t/{number}",
            "arrives": f"{at:%A %d %B}",
            "ship_to": "1 Orchard Rise, Leeds LS8 0ZZ",
        }
        self.post("order_shipped", email, number, data, at)

    def tell_visit(self, email: str, number: int, at: datetime) -> None:
        """Somebody we know looks at the prices."""
        self.post("visited", email, str(number), {"page": "/pricing"}, at)

    def tell_form(self, email: str, number: int, at: datetime) -> None:
        """Somebody we know has sent the form."""
        self.post("form_submitted", email, str(number), {"form": "contact"}, at)

    def post(self, kind: str, email: str, number: str, data: dict[str, object], at: datetime) -> None:
        """Tell the receiver; raises OSError when it does not take it."""
        told = f"{kind}:{number}"
        content = {"type": kind, "id": told, "lead": {"email": email}, "data": data, "at": at.isoformat()}
        body = json.dumps(content).encode()
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=20)
        try:
            connection.request("POST", "/api/events", body=body, headers=self.signed(told, body))
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise OSError(f"the receiver answered {answer.status} to {kind}: {said.decode(errors='replace')}")

    def signed(self, told: str, body: bytes) -> dict[str, str]:
        stamped = str(int(self.clock.now().timestamp()))
        return {
            "Content-Type": "application/json",
            "webhook-id": told,
            "webhook-timestamp": stamped,
            "webhook-signature": signature(key_bytes(self.key), told, stamped, body),
        }
