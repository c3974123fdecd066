"""`handraiser init`."""

import stat
from pathlib import Path

from click.testing import CliRunner

from engine.cli.init import init_command
from engine.settings import read_settings


def test_init_makes_a_workspace_with_secret_keys_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "mine"

    result = CliRunner().invoke(init_command, [str(folder)])

    assert result.exit_code == 0, result.output
    assert (folder / "cadences" / "new-enquiry.yaml").is_file()
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert read_settings(folder, {}).require_secret()


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine")

    result = CliRunner().invoke(init_command, [str(tmp_path)])

    assert result.exit_code != 0
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]
