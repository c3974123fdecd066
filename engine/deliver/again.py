"""A mail that went out, once more as a page: what "read in the browser" shows.

Before: `webhooks.mail_page` opened the token. Printed anew from the same artifact with the lead's values of today.
"""

from collections.abc import Iterable
from dataclasses import replace

from engine.compiler.attachment import Attachment
from engine.database import Tx
from engine.deliver.flights import spell_token, values_of
from engine.deliver.load import load_sent
from engine.files import read_file
from engine.render.fence import render
from engine.render.pictures import kept_pictures, with_pictures_inside
from engine.render.wire import Rendered
from engine.runtime import Runtime
from engine.versions import artifact, live_rules


def print_again(tx: Tx, runtime: Runtime, send_id: int) -> Rendered | None:
    """The mail; None when it never went out or was not made of a template. Raises RenderError, as when it was sent."""
    live = live_rules(tx)
    send = load_sent(tx, send_id, live)
    if send is None or send.artifact_hash is None:
        return None
    made = artifact(tx, send.artifact_hash)
    mail = render(made, values_of(runtime, live, send, made, spell_token(runtime, send)))
    return replace(mail, html=with_pictures_inside(mail.html, kept_pictures(made.pictures, read_files(tx, made.pictures))))


def read_files(tx: Tx, pictures: Iterable[Attachment]) -> dict[str, bytes]:
    found = ((each.digest, read_file(tx, each.digest)) for each in pictures)
    return {digest: data for digest, data in found if data is not None}
