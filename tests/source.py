"""The product's own source, parsed once for the tests that read it, and only when the first of them asks."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PATHS = sorted(path for package in ("engine", "webhooks") for path in (ROOT / package).rglob("*.py"))


@cache
def trees() -> dict[Path, ast.Module]:
    """{path inside the checkout: its tree}."""
    return {path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8")) for path in PATHS}
