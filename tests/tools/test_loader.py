"""Where libraries are found, held against what glibc's own loader says: in every kind of folder, for each processor."""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from cargoship.checks.program import ProgramContext, load_program
from cargoship.oci.entry import EntryKind, LayerEntry
from cargoship.oci.platform import Platform
from cargoship.platforms import row
from cargoship.rootfs.view import view_of_entries
from support.gnu_base import gnu_files
from support.programs import run

pytestmark = pytest.mark.tools

NAME = "libwhich.so"
LEVELS = ("x86-64-v2", "x86-64-v3", "x86-64-v4")
HERE = row(platform.machine()).platform


def supported(loader: Path) -> tuple[str, ...]:
    """The levels of this machine's processor."""
    said = run(loader, "--help").stdout
    return tuple(level for level in LEVELS if re.search(rf"{level} \(supported", said))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library, and programs that need it: one by its own RUNPATH."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "which.c").write_text("int which(void) { return 1; }\n")
    (folder / "app.c").write_text("int which(void); int main(void) { return which(); }\n")
    run("cc", "-shared", "-fPIC", f"-Wl,-soname,{NAME}", "-o", NAME, "which.c", cwd=folder)
    run("cc", "-o", "plain", "app.c", NAME, cwd=folder)
    run("cc", "-o", "runpath", "app.c", NAME, "-Wl,--enable-new-dtags,-rpath,$ORIGIN/opt/own", cwd=folder)
    return folder


def write(root: Path, made: Path, app: str, places: tuple[str, ...]) -> str:
    """A root file system whose /app needs a library that is in several places; the loader's path."""
    files = gnu_files(HERE.architecture)
    copies = [*files, ("app", made / app), *((f"{place}/{NAME}", made / NAME) for place in places)]
    for path, source in copies:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, root / path)
    (root / "etc").mkdir()
    (root / "etc" / "ld.so.conf").write_text("/opt/listed\n")
    run("ldconfig", "-r", root)
    return f"/{files[0][0]}"


@pytest.mark.parametrize(
    ("folder", "app", "env"),
    [
        ("opt/own", "runpath", {}),
        ("opt/named", "plain", {"LD_LIBRARY_PATH": "/opt/named"}),
        ("opt/listed", "plain", {}),
        ("usr/lib", "plain", {}),
    ],
)
@pytest.mark.parametrize("there", [(), ("x86-64-v2",), ("x86-64-v3",), ("x86-64-v2", "x86-64-v4")])
@pytest.mark.parametrize("plain", [True, False])
def test_levels_as_the_loader_finds_them(
    tmp_path: Path,
    made: Path,
    folder: str,
    app: str,
    env: Mapping[str, str],
    there: tuple[str, ...],
    *,
    plain: bool,
) -> None:
    places = tuple(f"{folder}/glibc-hwcaps/{level}" for level in there)
    loader = write(tmp_path, made, app, (*places, *([folder] if plain else [])))
    entries = [
        LayerEntry(str(path.relative_to(tmp_path)), EntryKind.FILE, 0o755, path)
        for path in sorted(tmp_path.rglob("*"))
        if path.is_file()
    ]
    root = view_of_entries(entries)
    program = root.find("/app")
    assert program is not None
    machine = supported(Path(loader))
    for count in range(len(machine) + 1):
        # as on a processor that has no more than these
        mask = ":".join(machine[:count]) or "none"
        said = run(
            "unshare", "--map-root-user", f"--root={tmp_path}", loader, "--glibc-hwcaps-mask", mask, "--list", "/app",
            env=env, check=False,
        ).stdout  # fmt: skip
        where = re.search(rf"{NAME} => (/\S+) ", said)
        variant = None if HERE.architecture != "amd64" else f"v{count + 1}"
        loaded = load_program(program, root, ProgramContext(Platform("linux", HERE.architecture, variant), env))
        assert loaded is not None
        found = loaded.by_name.get(NAME)
        assert (found and found.path) == (where and where[1]), f"{mask}\n{said}"
