"""The bytes of files that go with mails, kept by their digest and never changed. The one place that reads and writes those rows.

After `engine.database`. Written by `engine.schedule.apply`; read by `engine.deliver.files`.
"""

from collections.abc import Mapping

import sqlalchemy as sa

from engine.database import Tx
from engine.schema import files


def write_files(tx: Tx, contents: Mapping[str, bytes]) -> None:
    """Keep each of these, by its digest, that is not there yet."""
    known = set(tx.run(sa.select(files.c.digest).where(files.c.digest.in_(contents))).scalars()) if contents else set()
    rows = [
        {"digest": digest, "content": content, "created_at": tx.now}
        for digest, content in sorted(contents.items())
        if digest not in known
    ]
    if rows:
        tx.run(sa.insert(files), rows)


def read_file(tx: Tx, digest: str) -> bytes | None:
    """None when it is not there."""
    content = tx.run(sa.select(files.c.content).where(files.c.digest == digest)).scalar()
    return None if content is None else bytes(content)
