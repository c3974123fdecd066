"""The product and the mail server of a trial: real processes, which can be told where to die, killed, frozen and asked to stop.

Each runs the command from its first line to its last, but is forked from a process that has read the modules already: a trial
starts dozens. Before: `tests.services`. After: `tests.crash.trial` tells the story.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engine.cli.main import main
from tests.services.handraiser import COMMAND, ROOT
from tests.services.processes import die_with_parent

Process = multiprocessing.context.ForkServerProcess
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload([f"engine.cli.{name}" for name in ("main", "up", "dispatcher", "worker")])
LOG = "product.log"
THREADS = 4
QUIT_WITHIN = 40  # seconds that a process asked to stop may take to finish what it began


@dataclass(slots=True, kw_only=True)
class Product:
    """Our processes, by role: `worker` and `worker-2` are two of a kind. Alone, one process plays every role.

    `threads`: of what is started next.
    """

    folder: Path
    environment: Mapping[str, str]
    roles: tuple[str, ...]
    running: dict[str, Process] = field(default_factory=dict)
    started: int = 0
    threads: int = THREADS
    threads_of: dict[int | None, int] = field(default_factory=dict)  # by pid

    def role_of(self, role: str) -> str:
        return role if role in self.roles else self.roles[0]

    def start(self, role: str, *, crash_at: str | None = None, code: Path | None = None) -> Process:
        """Start the process of a role, from the code of another folder if one is given. It may die before it has said that
        it runs.
        """
        crash = {} if crash_at is None else {"HANDRAISER_CRASH_AT": crash_at}
        command = role.partition("-")[0]
        arguments = [command] if command == "dispatcher" else [command, "--threads", str(self.threads)]
        process = FORKED.Process(target=run_command, args=(arguments, self.folder, {**self.environment, **crash}, code))
        process.start()
        self.running[role] = process
        self.threads_of[process.pid] = self.threads
        self.started += 1
        return process

    def start_all(self) -> None:
        """Whatever does not run."""
        for role in self.roles:
            if not self.is_running(role):
                self.start(role)

    def is_running(self, role: str) -> bool:
        return role in self.running and self.running[role].is_alive()

    def all_work(self) -> bool:
        """Whether every process that was ever started has said that it runs; until then it may give up over what is away."""
        log = self.folder / LOG
        return log.exists() and log.read_text(errors="replace").count(" is running.") >= self.started

    def pids(self) -> dict[str, int | None]:
        return {role: process.pid for role, process in self.running.items()}

    def kill(self, role: str) -> None:
        self.running[role].kill()
        self.running[role].join()

    def is_frozen(self, role: str) -> bool:
        """Whether it stands still, as after a SIGSTOP."""
        asked = subprocess.run(
            ["ps", "-o", "state=", "-p", str(self.running[role].pid)], capture_output=True, text=True, check=False
        )
        return asked.stdout.startswith("T")

    def freeze(self, role: str) -> None:
        self.signal(role, signal.SIGSTOP)

    def thaw(self, role: str) -> None:
        self.signal(role, signal.SIGCONT)

    def signal(self, role: str, number: signal.Signals) -> None:
        pid = self.running[role].pid
        assert pid is not None
        os.kill(pid, number)

    def drain(self, role: str) -> int | None:
        """Ask it to stop as an operator does; its exit status, None when it has not stopped."""
        self.running[role].terminate()
        self.running[role].join(QUIT_WITHIN)
        return self.running[role].exitcode

    def end(self, *roles: str) -> None:
        """Kill these, or all."""
        for role in roles or tuple(self.running):
            self.kill(role)

    def last_words(self) -> str:
        return (self.folder / LOG).read_text(errors="replace")[-6000:]


def run_command(arguments: list[str], folder: Path, environment: dict[str, str], code: Path | None) -> None:
    """`handraiser` as a shell would run it there, its words going to a file."""
    die_with_parent()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    output = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if code is not None:
        os.execve(sys.executable, [*COMMAND, *arguments], {**environment, "PYTHONPATH": str(code)})
    sys.argv[1:] = arguments
    main()


@contextmanager
def mail_server(journal: Path) -> Iterator[int]:
    """The oracle's mail server in a process of its own, writing to disk before each 250; its port."""
    command = [sys.executable, "-m", "engine.simulate.sink", "--port", "0", "--journal", str(journal)]
    environment = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, preexec_fn=die_with_parent)
    assert server.stdout is not None
    try:
        yield int(server.stdout.readline().rsplit(":", 1)[1])
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
