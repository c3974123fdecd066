"""A DNS server on this machine that knows what a test tells it, written with dnspython."""

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


@dataclass(slots=True)
class DnsServer:
    """`records`: {name: {kind: [value]}}. What it does not know is not there; names in `broken` fail. `asked`: every question."""

    records: dict[str, dict[str, Sequence[str]]]
    broken: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def answer(self, wire: bytes) -> bytes:
        asked = dns.message.from_wire(wire)
        reply = dns.message.make_response(asked)
        [question] = asked.question
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{kind} {name}")
        reply.flags |= dns.flags.RA
        known: Mapping[str, Sequence[str]] = self.records.get(name, {})
        if name in self.broken:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif not known:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif kind in known:
            reply.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, known[kind]))
        return reply.to_wire()


@contextmanager
def serving_dns(server: DnsServer) -> Iterator[DnsServer]:
    """Over UDP, for as long as the block lasts."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        server.address = f"127.0.0.1:{listening.getsockname()[1]}"
        thread = threading.Thread(target=answer_all, args=(server, listening), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.sendto(b"", listening.getsockname())
            thread.join()


def answer_all(server: DnsServer, listening: socket.socket) -> None:
    """Until a message comes that says nothing."""
    while (received := listening.recvfrom(4_096))[0]:
        listening.sendto(server.answer(received[0]), received[1])


def quoted(text: str) -> str:
    """A TXT record as a zone file writes it, in strings that are short enough."""
    return " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255))
