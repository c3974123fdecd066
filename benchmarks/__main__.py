"""Every benchmark, one after the other, each in a process of its own so that none warms or bloats the next."""

import subprocess
import sys

ALL = (
    "render", "dkim", "emails", "compile", "send", "latency", "round_trip", "claim", "memory", "tick", "enrol", "simulate",
    "plan", "calendar", "idle",
)  # fmt: skip


def main() -> None:
    for name in ALL:
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
        print(flush=True)


if __name__ == "__main__":
    main()
