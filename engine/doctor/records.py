"""Records of the form `v=DKIM1; k=rsa; p=…`, which DKIM and DMARC share (RFC 6376 section 3.2)."""

import re

BLANKS = re.compile(r"[ \t\r\n]+")


def tags_of(record: str) -> dict[str, str]:
    """{tag in small letters: its value without blanks}; what is no tag is left out."""
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip().lower(): BLANKS.sub("", value) for name, equals, value in pairs if equals}
