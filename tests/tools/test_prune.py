"""`cargoship prune` on what the installed command has left, judged by what other tools can still read."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from cargoship.oci.digest import Digest
from support.elf_files import elf_file
from support.programs import RunCargoship, run
from support.projects import project

pytestmark = pytest.mark.tools

OLD_S = time.time() - 30 * 24 * 3600


def packed(run_cargoship: RunCargoship, folder: Path, name: str) -> Path:
    """A project of that name with an image in its own target folder; the target folder."""
    app = project(folder / name, name=name, files={"noise": name * 10_000})
    (folder / "program").write_bytes(elf_file("EM_X86_64"))
    run_cargoship("pack", app, "--binary", f"linux/amd64={folder / 'program'}", "--set", 'include=["noise -> /noise"]')
    return app / "target"


def used_bytes(*folders: Path) -> int:
    """The bytes of all files, each counted once however many names it has."""
    files = {}
    for path in (path for folder in folders for path in folder.rglob("*")):
        status = path.lstat()
        if path.is_file():
            files[status.st_dev, status.st_ino] = status.st_size
    return sum(files.values())


def test_the_account_of_a_dry_run_is_what_comes_free(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    targets = [packed(run_cargoship, tmp_path, name) for name in ("one", "two")]
    paths = [target.parent for target in targets]
    before = used_bytes(*targets)
    reported = json.loads(run_cargoship("prune", *paths, "--all", "--dry-run", "--json").stdout)
    assert used_bytes(*targets) == before
    done = json.loads(run_cargoship("prune", *paths, "--all", "--json").stdout)
    assert {**reported, "dry_run": False} == done
    assert [each["folder"] for each in done["folders"]] == list(map(str, targets))
    assert sum(each["bytes_removed"] for each in done["folders"]) == before - used_bytes(*targets)
    assert {each["kind"] for each in done["folders"][0]["removed"]} == {"layout", "layers", "record"}
    assert not (targets[0] / "cargoship" / "one").exists()


def test_a_change_in_one_projects_layout_is_in_no_other_projects_image(
    run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    """The layer of the built-in base was one file for all projects of a machine, in all of their layouts."""
    env = {"CARGOSHIP_CACHE_DIR": str(tmp_path / "cache")}
    (tmp_path / "program").write_bytes(elf_file("EM_X86_64"))
    words = ("--binary", f"linux/amd64={tmp_path / 'program'}")
    for name in ("one", "two"):
        run_cargoship("pack", project(tmp_path / name, name=name), *words, env=env)
        for blob in (tmp_path / name / "target/cargoship" / name / "blobs/sha256").iterdir():
            assert Digest.of(blob.read_bytes()).hex == blob.name
            with blob.open("r+b") as stream:
                stream.write(b"changed")
    (kept,) = (tmp_path / "cache/made/sha256").iterdir()
    kept.write_bytes(bytes(kept.stat().st_size))
    refused = run_cargoship("pack", project(tmp_path / "three", name="three"), *words, env=env, check=False)
    assert refused.returncode == 55
    assert f"hint: remove {kept}: it is made or downloaded again" in refused.stderr
    kept.unlink()
    run_cargoship("pack", tmp_path / "three", *words, env=env)


def test_what_was_used_lately_is_an_image_afterwards(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    target = packed(run_cargoship, tmp_path, "app")
    (target / "cargoship" / "app").rename(target / "cargoship" / "renamed")
    os.utime(target / "cargoship" / "renamed" / "index.json", (OLD_S, OLD_S))
    packed(run_cargoship, tmp_path, "app")
    said = run_cargoship("prune", target.parent).stdout
    assert str(target / "cargoship" / "renamed") in said
    assert not (target / "cargoship" / "renamed").exists()
    run("skopeo", "inspect", f"oci:{target}/cargoship/app")
    run_cargoship("verify", f"oci:{target}/cargoship/app")
    assert run_cargoship("prune", target.parent, "--days", "7").stdout.splitlines() == [f"0 B came free in {target}"]


def test_the_next_build_makes_the_same_image(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    target = packed(run_cargoship, tmp_path, "app")
    index = (target / "cargoship" / "app" / "index.json").read_bytes()
    run_cargoship("prune", target.parent, "--all")
    packed(run_cargoship, tmp_path, "app")
    assert (target / "cargoship" / "app" / "index.json").read_bytes() == index


def test_images_may_have_the_names_of_folders(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """The layout of an image named blobs took the place of the layers that the next image was made of."""
    (tmp_path / "Cargo.toml").write_text('[workspace]\nmembers = ["blobs", "programs", "zed"]\nresolver = "2"\n')
    words = []
    for name in ("blobs", "programs", "zed"):
        project(tmp_path / name, name=name)
        (tmp_path / "bin" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_bytes(elf_file("EM_X86_64"))
        words += ["--binary", f"linux/amd64={tmp_path}/bin/{name}"]
    for _ in range(2):
        run_cargoship("pack", tmp_path, "--workspace", *words)
        for name in ("blobs", "programs", "zed"):
            run("skopeo", "inspect", f"oci:{tmp_path}/target/cargoship/{name}")
    removed = json.loads(run_cargoship("prune", tmp_path, "--all", "--json").stdout)["folders"][0]["removed"]
    assert sum(each["kind"] == "layout" for each in removed) == 3


def test_all_and_days_are_one_choice(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    done = run_cargoship("prune", project(tmp_path / "app"), "--all", "--days", "1", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "exclude each other" in done.stderr
