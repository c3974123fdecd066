"""A second program of somebody else's finds our signatures good: OpenDKIM. By command, since no wheel brings it:

apt-get install opendkim; python -m pytest tests/dkim --full
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from engine.deliver.mime import write_message
from tests.dkim.keys import both_keys
from tests.dkim.test_sign import AT, SIGNER
from tests.render.test_mime import HEADERS, PARTS

PROGRAM = shutil.which("opendkim", path="/usr/sbin:/usr/local/sbin:/usr/bin") or shutil.which("opendkim")


@pytest.mark.full
@pytest.mark.parametrize(("changed", "verdict"), [(b"<p>Hello</p>", b"pass"), (b"<p>hello</p>", b"fail")])
def test_opendkim_says_the_same(tmp_path: Path, changed: bytes, verdict: bytes) -> None:
    assert PROGRAM is not None, "this needs OpenDKIM: apt-get install opendkim"
    signed = SIGNER.signed(write_message(HEADERS, PARTS), AT).replace(b"<p>Hello</p>", changed)
    (tmp_path / "mail").write_bytes(signed)
    (tmp_path / "keys").write_text("".join(f"{key.record_name} {key.record}\n" for key in both_keys()), encoding="ascii")
    (tmp_path / "conf").write_text(f"Mode v\nTestPublicKeys {tmp_path}/keys\nAlwaysAddARHeader yes\n", encoding="ascii")

    said = subprocess.run([PROGRAM, "-x", tmp_path / "conf", "-t", tmp_path / "mail", "-vv"], capture_output=True, check=False)

    for way in (b"rsa-sha256", b"ed25519-sha256"):
        [line] = [line for line in (said.stdout + said.stderr).splitlines() if b"header.a=" + way in line]
        assert b"dkim=" + verdict in line
