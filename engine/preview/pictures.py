"""Pictures of mails, taken by a Chromium or Chrome of this machine: as wide as a desktop and as a phone, light and dark.

Before: `engine.preview.mails` wrote the mails. After: PNG files. The browser is spoken to over two pipes, in its DevTools
protocol: one JSON object after another, each ended by a zero byte. It runs no script of a mail.
"""

import fcntl
import json
import os
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from select import select
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from engine.errors import HandraiserError, UsageError
from engine.preview.mails import Written

BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium",
)  # fmt: skip
WIDTHS = {"desktop": 1000, "phone": 390}
SCHEMES = ("light", "dark")
HIGHEST = 8_000  # pixels
AROUND = 12  # pixels
PATIENCE = 20  # seconds
PIPES = (3, 4)  # the file descriptors that --remote-debugging-pipe reads and writes
ARGUMENTS = ("--headless", "--remote-debugging-pipe", "--hide-scrollbars", "--disable-gpu", "--no-first-run")


class BrowserError(HandraiserError):
    """The browser ended, or refused what it was asked for."""


def take_pictures(mails: Mapping[str, Written], folder: Path) -> Iterator[str]:
    """Write `NAME.desktop-light.png` and the like; yields each mail's name when done. Raises UsageError without a browser."""
    program = find_browser()
    with TemporaryDirectory(prefix="handraiser-") as scratch, running(program, Path(scratch)) as browser:
        for name, mail in mails.items():
            for width in WIDTHS:
                for scheme in SCHEMES:
                    (folder / f"{name}.{width}-{scheme}.png").write_bytes(browser.picture(mail.html, WIDTHS[width], scheme))
            yield name


def find_browser() -> str:
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise UsageError("no Chromium or Chrome was found on this machine to take pictures with; install one, or leave out --png")


class Browser:
    """One page of a running browser. `to` and `back` are its pipes, `scratch` a folder for what it shows."""

    def __init__(self, to: int, back: int, scratch: Path) -> None:
        self._to, self._back, self._file = to, back, scratch / "mail.html"
        self._asked, self._session, self._rest = 0, "", b""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.ask("Emulation.setScriptExecutionDisabled", value=True)
        self.ask("Page.enable")

    def picture(self, html: str, width: int, scheme: str, *, of: str = "") -> bytes:
        """The mail as PNG; with `of`, the last element of it that this CSS selector finds, and a little around it."""
        self._file.write_text(html, encoding="utf-8")
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=600, deviceScaleFactor=1, mobile=width < 500)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.ask("Page.navigate", url=self._file.as_uri())
        self.wait_for("Page.loadEventFired")
        height = min(self.ask("Page.getLayoutMetrics")["cssContentSize"]["height"], HIGHEST)
        clip = self.box_of(of) if of else {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        return b64decode(self.ask("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)["data"])

    def box_of(self, selector: str) -> dict[str, float]:
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        found = self.ask("DOM.querySelectorAll", nodeId=root, selector=selector)["nodeIds"]
        left, top, right, _, _, bottom, *_ = self.ask("DOM.getBoxModel", nodeId=found[-1])["model"]["border"]
        across, down = right - left + 2 * AROUND, bottom - top + 2 * AROUND
        return {"x": left - AROUND, "y": top - AROUND, "width": across, "height": down, "scale": 1}

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """The answer to one request. What the browser tells unasked is passed over."""
        self._asked += 1
        request = {"id": self._asked, "method": method, "params": parameters}
        if self._session:
            request["sessionId"] = self._session
        os.write(self._to, json.dumps(request).encode() + b"\0")
        until = monotonic() + PATIENCE
        while (answer := self.read(until)).get("id") != self._asked:
            pass
        if "error" in answer:
            raise BrowserError(f"the browser does not do {method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result

    def wait_for(self, event: str) -> None:
        until = monotonic() + PATIENCE
        while self.read(until).get("method") != event:
            pass

    def read(self, until: float) -> dict[str, Any]:
        """The next thing that the browser says. Raises BrowserError where it does not say one in time, or ended."""
        while b"\0" not in self._rest:
            if not select([self._back], [], [], max(0, until - monotonic()))[0]:
                raise BrowserError(f"the browser did not answer within {PATIENCE} seconds; does a picture of the mail not load?")
            piece = os.read(self._back, 1 << 16)
            if not piece:
                raise BrowserError("the browser ended by itself")
            self._rest += piece
        said, _, self._rest = self._rest.partition(b"\0")
        heard: dict[str, Any] = json.loads(said)
        return heard


@contextmanager
def running(program: str, scratch: Path) -> Iterator[Browser]:
    """A browser with a profile of its own, while the block lasts."""
    (theirs_in, to), (back, theirs_out) = os.pipe(), os.pipe()
    theirs = [fcntl.fcntl(pipe, fcntl.F_DUPFD_CLOEXEC, 10) for pipe in (theirs_in, theirs_out)]  # clear of 3 and 4
    process = subprocess.Popen(
        [program, *ARGUMENTS, f"--user-data-dir={scratch / 'profile'}", *without_sandbox(), "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=False,  # ours close by themselves; `pass_fds` fails where 3 or 4 is a socket that forks close
        preexec_fn=lambda: [os.dup2(mine, number) for mine, number in zip(theirs, PIPES, strict=True)] and None,
    )
    for pipe in (theirs_in, theirs_out, *theirs):
        os.close(pipe)
    try:
        yield Browser(to, back, scratch)
    finally:
        os.close(to)  # at which it ends
        os.close(back)
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def without_sandbox() -> list[str]:
    """Root cannot have one. What is shown is the workspace's own, and runs no script."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []
