"""A real Postfix for proofs by command: Debian's package, with a configuration and a queue of its own, on loopback only.

Postfix wants to be started by root and brings a user of its own, so it is no part of the quick tests. What its recipients'
domains say is decided by a policy service (Postfix's SMTPD_POLICY_README), which a proof answers; what it takes goes on to the
next mail server, and what that refuses comes back as a bounce.
"""

import os
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.ports import free_port
from tests.services.smtp_sink import installed

DAEMONS = Path("/usr/lib/postfix/sbin")
NEEDS = "this proof needs Debian's Postfix and root to start it: apt-get install postfix (answer: no configuration)"
PATIENCE = 30  # seconds
Policy = Callable[[Mapping[str, str]], str]  # what Postfix knows of a recipient → what to do with it: DUNNO, "450 4.2.0 later" …

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.example
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
local_recipient_maps =
relay_domains = static:all
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:{policy}
smtpd_policy_service_timeout = 60s
smtpd_policy_service_default_action = 451 4.3.5 the policy service is away
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
transport_maps = inline:{{ {replies_to}=smtp:[127.0.0.1]:{replies} }}
relay_transport = smtp:[127.0.0.1]:{onward}
default_transport = smtp:[127.0.0.1]:{onward}
smtp_dns_support_level = disabled
smtp_tls_security_level = none
minimal_backoff_time = 2s
maximal_backoff_time = 4s
queue_run_delay = 2s
"""
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postfix:
    """A running one. `folder`: its configuration, queue and log."""

    folder: Path
    port: int

    @property
    def version(self) -> str:
        return self.asked("postconf", "-h", "mail_version").strip()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def wait_until_empty(self) -> None:
        """Until its queue is: all that it took has gone on or bounced."""
        deadline = time.monotonic() + PATIENCE
        while "is empty" not in self.asked("postqueue", "-p"):
            if time.monotonic() > deadline:
                raise AssertionError(f"Postfix still has mail:\n{self.asked('postqueue', '-p')}\n{self.log[-4000:]}")
            time.sleep(0.2)

    def asked(self, command: str, *arguments: str) -> str:
        asked = [installed(command) or command, "-c", str(self.folder), *arguments]
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout


@contextmanager
def running_postfix(policy: Policy, *, onward: int, replies_to: str, replies: int) -> Iterator[Postfix]:
    """Postfix that asks `policy` about each recipient and hands on what it takes to the port `onward`; mail to the domain
    `replies_to`, its own bounces mostly, goes to the port `replies`. Raises RuntimeError where it cannot be started.
    """
    postfix = installed("postfix")
    if os.geteuid() != 0 or postfix is None:
        raise RuntimeError(NEEDS)
    with tempfile.TemporaryDirectory(prefix="hr-postfix-") as name, answering(policy) as policy_port:
        folder, port = Path(name), free_port()
        configure(folder, port, policy=policy_port, onward=onward, replies_to=replies_to, replies=replies)
        subprocess.run([postfix, "-c", name, "start"], check=True, capture_output=True)
        try:
            wait_until_it_answers(port)
            yield Postfix(folder=folder, port=port)
        finally:
            subprocess.run([postfix, "-c", name, "stop"], check=True, capture_output=True)


def configure(folder: Path, port: int, **values: int | str) -> None:
    folder.chmod(0o755)  # its daemons run as its own user
    for part in ("queue", "data"):
        (folder / part).mkdir()
    shutil.chown(folder / "data", "postfix")
    (folder / "main.cf").write_text(MAIN.format(folder=folder, **values))
    (folder / "master.cf").write_text(MASTER.format(port=port))


def wait_until_it_answers(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                if connection.recv(4):
                    return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


@contextmanager
def answering(policy: Policy) -> Iterator[int]:
    """The policy service on a free port; each of Postfix's connections has a thread of its own."""

    class Talk(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked: dict[str, str] = {}
            for line in self.rfile:
                name, equals, value = line.decode("utf-8", "replace").rstrip("\n").partition("=")
                if equals:
                    asked[name] = value
                    continue
                self.wfile.write(f"action={policy(asked)}\n\n".encode())
                asked = {}

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address, daemon_threads = True, True

    with Server(("127.0.0.1", 0), Talk) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
