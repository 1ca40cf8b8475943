from __future__ import annotations

import os
from pathlib import Path

import pytest

from cargoship.context import Context
from cargoship.deploy.handover import compose_files, up
from cargoship.errors import ForeignFile
from cargoship.process import SystemRunner
from support.scripted import ScriptedRunner

STRANGER = 1234


@pytest.mark.parametrize("name", ["compose.yaml", "docker-compose.yml", "compose.override.yml"])
def test_a_strangers_compose_file_in_a_shared_folder_is_not_taken(tmp_path: Path, name: str) -> None:
    (tmp_path / "compose.yaml").touch()
    (tmp_path / name).touch()
    os.chown(tmp_path / name, STRANGER, STRANGER)
    assert compose_files(tmp_path, {})
    tmp_path.chmod(0o1777)
    with pytest.raises(ForeignFile, match=f"Compose would obey {tmp_path / name} here"):
        compose_files(tmp_path, {})


def test_a_strangers_variables_in_a_shared_folder_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("IMAGE=evil")
    os.chown(tmp_path / ".env", STRANGER, STRANGER)
    tmp_path.chmod(0o1777)
    context = Context({}, tmp_path, ScriptedRunner({}))
    with pytest.raises(ForeignFile, match=r"Compose would obey .*\.env here"):
        up(("/bin/false",), (), (), context, SystemRunner(), folder=tmp_path)
