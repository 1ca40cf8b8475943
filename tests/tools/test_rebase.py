"""`cargoship rebase` in Debian's docker-registry: to the byte what a build on the new base makes, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from cargoship.oci.config import ImageConfig
from cargoship.oci.index import Index, index_of
from cargoship.oci.layout import read_layout, write_layout
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.oci.tar import LayerEntry
from support.elf_files import elf_file
from support.images import AMD64, ARM64, small_image
from support.judges import raw_index
from support.programs import RunCargoship, run
from support.projects import project
from support.pushing import client_of, push
from support.registry import RunningRegistry
from support.validate import validate

pytestmark = pytest.mark.tools

CONFIG = ImageConfig(
    user="root",
    env={"BASE": "1", "KEPT": "by base", "RUST_LOG": "warn"},
    labels={"of-base": "1", "org.opencontainers.image.title": "base", "org.opencontainers.image.licenses": "MIT"},
    exposed_ports=("9/tcp",),
    stop_signal="SIGQUIT",
)
SETTINGS = """license = "MIT"
[package.metadata.cargoship]
env = { RUST_LOG = "info", OWN = "x" }
expose = [8080]
include = ["a.txt -> /etc/app/a.txt"]
labels = { mine = "y" }
"""
OLD = [LayerEntry.directory("etc", 0o755), LayerEntry.file("etc/version", b"1")]
NEW = [LayerEntry.directory("etc", 0o755), LayerEntry.file("etc/version", b"2")]


class Place:
    """A registry with a base and an app on it."""

    def __init__(self, registry: RunningRegistry, run_cargoship: RunCargoship, folder: Path, name: str) -> None:
        self.host = registry.host
        self.folder = folder
        self.base = registry.reference(f"{name}/base", "12")
        self.app = registry.reference(f"{name}/app")
        self.again = registry.reference(f"{name}/app", "again")
        self._name = name
        self._run = run_cargoship
        self._env = {"CARGOSHIP_CACHE_DIR": str(folder / "cache")}

    def put_base(
        self, entries: Sequence[LayerEntry], *, platforms: Sequence[Platform] = (AMD64, ARM64), **said: object
    ) -> Index:
        config = replace(CONFIG, **said)
        images = [small_image(self.folder / "blobs", each, entries=entries, config=config) for each in platforms]
        index = index_of(images, annotations={})
        with client_of(self.host) as client:
            push(client, index, "12", repository=f"{self._name}/base")
        return index

    def pack(self, reference: str, *words: str | Path, settings: str = SETTINGS, machines: Sequence[bytes] = ()) -> str:
        """Build the app on the base as it is now; its digest."""
        app = project(self.folder / "app", manifest=settings, files={"a.txt": "a"})
        contents = machines or (elf_file("EM_X86_64"), elf_file("EM_AARCH64"))
        options: list[str | Path] = []
        for platform, content in zip(("linux/amd64", "linux/arm64"), contents, strict=False):
            path = self.folder / platform.replace("/", "-")
            path.write_bytes(content)
            options += ["--binary", f"{platform}={path}"]
        base = [] if words else ["--base", self.base]
        done = self._run("pack", app, *options, *base, *words, "-t", reference, "--push", env=self._env)
        return done.stdout.strip().partition("@")[2]

    def rebase(self, *words: str | Path, code: int = 0) -> tuple[str, str]:
        done = self._run("rebase", *words, env=self._env, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout, done.stderr

    def sbom(self, reference: str) -> str:
        return self._run("sbom", reference, env=self._env).stdout

    def digest(self, reference: str) -> str:
        return str(json.loads(run("skopeo", "inspect", "--tls-verify=false", f"docker://{reference}").stdout)["Digest"])


@pytest.fixture
def place(
    docker_registry: RunningRegistry, run_cargoship: RunCargoship, tmp_path: Path, request: pytest.FixtureRequest
) -> Place:
    name = "rebase-" + "".join(each for each in request.node.name.lower() if each.isalnum())[:60]
    return Place(docker_registry, run_cargoship, tmp_path, name)


def test_the_image_is_what_a_build_on_the_new_base_makes(place: Place) -> None:
    place.put_base(OLD)
    before = place.pack(place.app)
    assert place.rebase(place.app, "--check")[1].count("unchanged") == 1
    assert place.digest(place.app) == before
    new = place.put_base(
        NEW, env={"BASE": "2", "MORE": "z", "KEPT": "by base"}, labels={"of-base": "2"}, stop_signal="SIGINT"
    )
    assert place.rebase(place.app, "--check", code=26)[0] == ""
    assert place.rebase(place.app, "--dry-run")[0] == ""
    assert place.digest(place.app) == before, "nothing is written unless it is asked for"
    printed, said = place.rebase(place.app)
    built = place.pack(place.again)
    assert printed == f"{place.app.rpartition(':')[0]}@{built}\n"
    assert place.digest(place.app) == built != before
    assert "mounted" in said, "the layers of the base were not sent"
    for child in raw_index(place.app)["manifests"]:
        manifest = raw_index(f"{place.app.rpartition(':')[0]}@{child['digest']}")
        assert manifest["annotations"]["org.opencontainers.image.base.digest"] == str(new.digest)
    assert "unchanged" in place.rebase(place.app)[1]


def test_a_sbom_of_materials_tells_of_the_new_base(place: Place) -> None:
    place.put_base(OLD)
    before = place.pack(place.app)
    place.put_base(NEW)
    place.rebase(place.app)
    reported = place.sbom(place.app)
    place.pack(place.again)
    built = place.sbom(place.again)
    assert reported == built
    assert before.removeprefix("sha256:") not in reported


def test_a_base_without_a_platform_is_refused_and_nothing_written(place: Place) -> None:
    place.put_base(OLD)
    before = place.pack(place.app)
    place.put_base(NEW, platforms=(AMD64,))
    said = place.rebase(place.app, code=17)[1]
    assert "no image for linux/arm64" in said
    assert place.digest(place.app) == before


def test_a_program_that_the_new_base_cannot_start_is_refused(place: Place) -> None:
    loader = "/lib64/ld-linux-x86-64.so.2"
    real = [LayerEntry.file(loader.lstrip("/"), Path(loader).resolve(), 0o755)]
    place.put_base(real, platforms=(AMD64,))
    settings = '[package.metadata.cargoship]\nplatforms = ["linux/amd64"]\n'
    before = place.pack(place.app, settings=settings, machines=[elf_file("EM_X86_64", interpreter=loader)])
    place.put_base(NEW, platforms=(AMD64,))
    said = place.rebase(place.app, code=40)[1]
    assert loader in said
    assert place.digest(place.app) == before


def test_a_folder_that_has_other_rights_in_the_new_base_is_refused(place: Place) -> None:
    place.put_base(OLD)
    before = place.pack(place.app)
    place.put_base([LayerEntry.directory("etc", 0o711), LayerEntry.file("etc/version", b"2")])
    assert "/etc (linux/amd64) has other rights" in place.rebase(place.app, code=43)[1]
    assert place.digest(place.app) == before


def test_an_image_of_others_is_refused(place: Place) -> None:
    place.put_base(OLD)
    said = place.rebase(place.base, "--base", place.base, code=43)[1]
    assert "nothing tells which layers are its base's" in said


def test_another_base_by_name_and_another_tag_for_the_result(place: Place, tmp_path: Path) -> None:
    place.put_base(OLD)
    before = place.pack(place.app)
    other = index_of(
        [small_image(tmp_path / "blobs", each, entries=NEW, config=ImageConfig()) for each in (AMD64, ARM64)],
        annotations={},
    )
    write_layout(tmp_path / "other", other, names=[])
    printed, _ = place.rebase(place.app, "--base", f"oci:{tmp_path}/other", "-t", f"{place.app}-new")
    built = place.pack(place.again, "--base", f"oci:{tmp_path}/other")
    assert printed.strip().endswith(built)
    assert (place.digest(place.app), place.digest(f"{place.app}-new")) == (before, built)


def test_a_layout_on_the_built_in_base_is_rebased_in_its_place(
    run_cargoship: RunCargoship, place: Place, tmp_path: Path
) -> None:
    place.put_base(OLD)
    app = project(tmp_path / "app", manifest=SETTINGS, files={"a.txt": "a"})
    (tmp_path / "program").write_bytes(elf_file("EM_X86_64"))
    words = ("pack", app, "--binary", f"linux/amd64={tmp_path}/program", "-o")
    run_cargoship(*words, f"oci:{tmp_path}/static")
    run_cargoship(*words, f"oci:{tmp_path}/built", "--base", place.base)
    assert "unchanged" in place.rebase(f"oci:{tmp_path}/static")[1]
    printed, _ = place.rebase(f"oci:{tmp_path}/static", "--base", place.base)
    index = read_layout(tmp_path / "static")
    validate(index)
    assert index.digest == read_layout(tmp_path / "built").digest
    assert printed == f"oci:{tmp_path}/static@{index.digest}\n"


def test_an_image_by_its_digest_needs_a_name_for_the_new_one(place: Place) -> None:
    place.put_base(OLD)
    digest = place.pack(place.app)
    reference = Reference.parse(place.app)
    assert "-t REFERENCE" in place.rebase(f"{reference.name}@{digest}", code=2)[1]
