"""`cargoship diff` against what umoci unpacks: the same files differ, whatever layers they are in."""

from __future__ import annotations

import io
import json
import random
import stat
from pathlib import Path
from typing import Any

import pytest

from cargoship.cli.main import main
from cargoship.cli.session import World
from support import image_corpus as corpus
from support.programs import run

pytestmark = pytest.mark.tools

FOLDERS = ("a", "b", "a/c")
NAMES = ("one", "two", "three")
PATHS = tuple(f"{folder}/{name}" for folder in FOLDERS for name in NAMES)


def layer(chance: random.Random) -> bytes:
    """Some files of every kind that umoci unpacks as any user, some removed, at times a folder emptied."""
    members: dict[str, corpus.Member] = {}
    for path in chance.sample(PATHS, 4):
        above, _, name = path.rpartition("/")
        members[path] = chance.choice(
            (
                corpus.file(path, chance.choice((b"", b"x", b"y")), 0o644, uid=chance.randint(0, 1)),
                corpus.file(path, b"x", chance.choice((0o644, 0o755))),
                corpus.link(path, chance.choice(("x", "y"))),
                corpus.folder(path, chance.choice((0o755, 0o700))),
                corpus.file(f"{above}/.wh.{name}", b""),
            )
        )  # fmt: skip
    if chance.random() < 0.2:
        members["opaque"] = corpus.file("a/c/.wh..wh..opq", b"")
    return corpus.tar(*(members[path] for path in sorted(members)))


def cases(seed: int) -> dict[str, corpus.Case]:
    """Two images that have some layers in common, at the bottom and in between."""
    chance = random.Random(seed)  # noqa: S311 - a test's own
    bottom = corpus.tar(*(corpus.folder(path) for path in sorted(FOLDERS)))
    common = [layer(chance) for _ in range(3)]
    made = {}
    for name in ("one", "other"):
        own = [each for each in common if chance.random() < 0.7]
        own.insert(chance.randint(0, len(own)), layer(chance))
        made[name] = corpus.Case("made", [bottom, *own])
    return made


def unpacked(archive: Path, name: str, into: Path) -> dict[str, tuple[object, ...]]:
    """Every path of an image with what umoci makes of it."""
    run("skopeo", "copy", "-q", f"oci-archive:{archive}:{name}", f"oci:{into}:judged")
    run("umoci", "unpack", "--image", f"{into}:judged", into / "bundle")
    root = into / "bundle" / "rootfs"
    return {f"/{path.relative_to(root)}": seen(path) for path in sorted(root.rglob("*"))}


def seen(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    kind = stat.S_IFMT(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return (kind, str(path.readlink()), status.st_uid)
    content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
    return (kind, stat.S_IMODE(status.st_mode), status.st_uid, content)


def diff(folder: Path, *argv: str) -> tuple[int, dict[str, Any]]:
    out, err = io.StringIO(), io.StringIO()
    code = main(("diff", "--json", *argv), World({"HOME": str(folder)}, folder, out, err))
    assert err.getvalue() == ""
    return code, json.loads(out.getvalue())


@pytest.mark.parametrize("seed", range(12))
def test_the_files_that_differ_are_those_of_umoci(seed: int, tmp_path: Path) -> None:
    archive = tmp_path / "images.tar"
    corpus.write_images(archive, cases(seed))
    old, new = (unpacked(archive, name, tmp_path / name) for name in ("one", "other"))
    expected = dict.fromkeys(old.keys() - new.keys(), "removed")
    expected |= dict.fromkeys(new.keys() - old.keys(), "added")
    expected |= {path: "changed" for path in old.keys() & new.keys() if old[path] != new[path]}
    _, found = diff(tmp_path, f"oci-archive:{archive}:one", f"oci-archive:{archive}:other", "--whole")
    (image,) = found["images"]
    reported = {each["name"]: each["change"] for each in image["differences"] if each["kind"] == "file"}
    assert reported == expected
