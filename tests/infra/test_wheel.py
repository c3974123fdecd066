"""The wheel holds all that the product needs away from its checkout: migrations, starter workspace, pages."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.services.handraiser import ROOT, run, running, settings_of_a_test


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, unpacked as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    building = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(building, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    with ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_a_workspace_made_by_the_wheel_runs(unpacked: Path, tmp_path: Path) -> None:
    environment = settings_of_a_test() | {"PYTHONPATH": str(unpacked)}

    made = run("init", "mine", workspace=tmp_path, environment=environment)
    checked = run("check", workspace=tmp_path / "mine", environment=environment)
    with running("up", workspace=tmp_path / "mine", environment=environment) as process:
        process.terminate()
        status = process.wait(30)

    assert (made.returncode, checked.returncode, status) == (0, 0, 0), made.stderr + checked.stdout + checked.stderr
    assert (tmp_path / "mine" / "handraiser.db").exists()


def test_the_wheel_holds_nothing_of_the_tests(unpacked: Path) -> None:
    assert {path.name for path in unpacked.iterdir() if path.is_dir() and not path.name.endswith(".dist-info")} == {
        "engine",
        "webhooks",
    }
