"""The child that renders: a process that has only Python, Jinja and the templates, and may be ended at any moment.

Before: `engine.render.child` starts it. After: its parent puts headers around what it writes. It can open no file and no
connection, start no process, hold so much memory and no more, and is ended by the system when one mail takes it too much
processor time. It has no secret: an address that has to be sealed is told to the parent, who puts the sealed one in its place.
"""

import gc
import mmap
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from socket import socket
from struct import Struct
from typing import Any

import jinja2.debug

from engine.errors import RenderError
from engine.render.context import values_for
from engine.render.form import Bare, from_json
from engine.render.frames import Answered, Asked, read_asked, read_frame, send_frame, unpack, write_answers
from engine.render.wire import render_wire

NUMBER = Struct("=I")  # which mail is being written: 1 for the first, one more than there are for none
PROGRESS_BYTES = mmap.PAGESIZE
MOST_ASKED = 64 * 1024 * 1024
READY = b"ready"
OUT_OF_ORDER = 70  # exit status: something happened for which no mail can be blamed
TRIAL = Bare(
    email="", subject="", text="", html="{% for x in [1] %}{{ lead.name|upper }}{% endfor %}{{ seal('https://a.example') }}\n"
)
STYLED = (
    "<mjml><mj-head><mj-style inline='inline'>p { color: red; }</mj-style></mj-head>"
    "<mj-body><mj-section><mj-column><mj-text><p>{{ lead.name }}</p></mj-text></mj-column></mj-section></mj-body></mjml>"
)
TRIALS = (TRIAL, replace(TRIAL, html="{{ lead.none }}\n"), replace(TRIAL, html=STYLED, is_mjml=True))
LOADED_LATE = (jinja2.debug,)  # by Jinja, when a template fails; then nothing can be loaded here any more


def main() -> None:
    """`nonce cpu_seconds memory progress_fd`, and a socket as standard input. Runs until that is closed."""
    nonce, cpu_seconds, memory, progress_fd = sys.argv[-4:]
    connection = socket(fileno=0)
    progress = mmap.mmap(int(progress_fd), PROGRESS_BYTES)
    warm_up()
    give_up_rights(int(memory))
    send_frame(connection, READY)
    with suppress(EOFError, OSError):
        Child(connection, progress, nonce, float(cpu_seconds)).run()
    os._exit(0)


def warm_up() -> None:
    """Write a mail in each way, and fail at one: whatever is loaded only then is loaded now."""
    values = values_for(lead={"name": "Ada"}, brand={}, track="https://track.invalid", token="t", seal=str)
    for trial in TRIALS:
        with suppress(RenderError):
            render_wire(trial, values)
    gc.collect()
    gc.freeze()


def give_up_rights(memory: int) -> None:
    """For good: a limit that was lowered cannot be raised. What a system does not know is left as it is."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the parent, which still has mails to finish
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF})
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stderr.fileno())
    os.close(nowhere)
    for limit, most in (
        (resource.RLIMIT_CORE, 0),  # it would hold people's data
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),  # what is open stays so; nothing can be opened, sockets included
    ):
        with suppress(ValueError, OSError):
            resource.setrlimit(limit, (most, most))


class Child:
    """Answers one batch after the other."""

    def __init__(self, connection: socket, progress: mmap.mmap, nonce: str, cpu_seconds: float) -> None:
        self.connection, self.progress, self.nonce, self.cpu_seconds = connection, progress, nonce, cpu_seconds
        self.forms: dict[int, tuple[Bare, dict[str, Any]]] = {}

    def run(self) -> None:
        """Raises EOFError when the parent is gone."""
        while True:
            asked = read_asked(read_frame(self.connection, most=MOST_ASKED))
            try:
                answers = write_answers(self.answer(asked))
            except BaseException:
                os._exit(OUT_OF_ORDER)
            send_frame(self.connection, answers)

    def answer(self, asked: Asked) -> list[Answered | str]:
        if asked.forget:
            self.forms.clear()
        self.forms |= {number: (from_json(text), unpack(brand)) for number, (text, brand) in asked.forms.items()}
        answers = [self.write(at, *self.forms[form], packed) for at, (form, packed) in enumerate(asked.mails, start=1)]
        self.begin(len(asked.mails) + 1)
        signal.setitimer(signal.ITIMER_PROF, 0)
        return answers

    def begin(self, number: int) -> None:
        """Note which mail it is now. If its time runs out the system ends this process, whatever it is doing."""
        NUMBER.pack_into(self.progress, 0, number)

    def write(self, number: int, form: Bare, brand: dict[str, Any], packed: bytes) -> Answered | str:
        self.begin(number)
        signal.setitimer(signal.ITIMER_PROF, self.cpu_seconds)
        seals = Seals(self.nonce)
        try:
            parts = render_wire(form, {**unpack(packed), "brand": brand, "seal": seals})
        except RenderError as error:
            return str(error)
        return Answered(subject=parts.subject, text_qp=parts.text_qp, html_qp=parts.html_qp, addresses=tuple(seals.addresses))


class Seals:
    """Takes addresses to be sealed and gives stand-ins for them, which nobody can guess who writes the values."""

    def __init__(self, nonce: str) -> None:
        self.nonce, self.addresses = nonce, list[str]()

    def __call__(self, address: str) -> str:
        self.addresses.append(address)
        return stand_in(self.nonce, len(self.addresses) - 1)


def stand_in(nonce: str, number: int) -> str:
    return f"sealed-{nonce}-{number}-"
