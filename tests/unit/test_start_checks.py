"""When a base is read to find out whether images will start, and what is said of those that will not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from msgspec import structs

from cargoship.bases.base import Base
from cargoship.cargo.project import Binary, Package
from cargoship.checks.finding import Code, error
from cargoship.errors import CannotStart
from cargoship.events import Event, Note
from cargoship.image_inputs import ImageInputs
from cargoship.oci.compress import Codec, Compression
from cargoship.oci.config import ImageConfig
from cargoship.oci.layer import BlobStore, Layer, build_layer
from cargoship.oci.platform import Platform
from cargoship.oci.tar import LayerEntry
from cargoship.plan import ImagePlan
from cargoship.platforms import Libc
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.settings.include import IncludedFile
from cargoship.settings.model import Settings
from cargoship.start_checks import StartChecks, _Case
from support import results
from support.elf_files import elf_file, needing
from support.images import AMD64, ARM64
from support.roots import facts

STATIC_PROGRAMS = {AMD64: elf_file("EM_X86_64"), ARM64: elf_file("EM_AARCH64")}
PASSWD = LayerEntry.file("etc/passwd", b"root:x:0:0::/root:/bin/sh\nweb:x:33:33::/:\n")
OWNED = LayerEntry.directory("srv", mode=0o750, uid=33, gid=34)


@dataclass
class Place:
    """Images on bases of one layer each, made of `entries`; how often the bases are read is counted."""

    root: Path
    libc: str = "musl"
    entries: tuple[LayerEntry, ...] = (PASSWD, OWNED)
    events: list[Event] = field(default_factory=list)
    cache: str = "layers"

    @property
    def book(self) -> LayerCache:
        return LayerCache(self.root / self.cache)

    @property
    def was_read(self) -> bool:
        """Whether anything was found out about a layer."""
        folder = self.root / self.cache
        return folder.exists() and any("-elf-" not in each.name for each in folder.iterdir())

    def layer(self) -> Layer:
        return build_layer(
            list(self.entries), store=BlobStore(self.root / "base"), compression=Compression.of(Codec.NONE), epoch=0,
            created_by="base",
        )  # fmt: skip

    def base(
        self,
        spec: str = "debian:12",
        *,
        has_loader: bool | None = None,
        owner: Callable[[str], str | None] | None = None,
    ) -> Base:
        return Base(spec, None, None, (self.layer(),), ImageConfig(), has_loader, owner=owner)

    def sources(
        self, base: Base, *names: str, platforms: tuple[Platform, ...] = (AMD64, ARM64), files: tuple[str, ...] = (),
        **settings: object,
    ) -> list[ImageInputs]:  # fmt: skip
        (self.root / "file").touch()
        included = tuple(IncludedFile(self.root / "file", path, 0o644, 0, 0) for path in files)
        return [
            ImageInputs(
                image(name, **settings), included, dict.fromkeys(platforms, base), BlobStore(self.root / "own"),
                BlobStore(self.root / "own"), Compression.of(Codec.NONE),
            )
            for name in names or ("app",)
        ]  # fmt: skip

    def verifier(self) -> StartChecks:
        plan = structs.replace(results.plan(self.root, "app"), libc=Libc.parse(self.libc))
        return StartChecks(plan, self.book, self.events.append)

    def programs(self, name: str = "app", **data: bytes) -> Mapping[Platform, Mapping[str, Path]]:
        """By platform: `amd64` and `arm64` say what is in its program."""
        made = {}
        for platform, usual in STATIC_PROGRAMS.items():
            path = self.root / platform.architecture / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data.get(platform.architecture, usual))
            made[platform] = {name: path}
        return made


def image(name: str, **settings: object) -> ImagePlan:
    binary = Binary(name, name)
    package = Package("id", name, "1.0.0", Path("/p/Cargo.toml"), Path("/p"), (binary,))
    return ImagePlan(name, package, (binary,), Settings(**settings), (), {}, {})  # type: ignore[arg-type]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_static_programs_need_nothing_of_a_base_so_it_is_not_read(place: Place) -> None:
    sources = place.sources(place.base())
    place.verifier().before(sources)
    place.verifier().after(sources, [place.programs()])
    assert not place.was_read
    assert place.events == []


@pytest.mark.parametrize(
    ("config", "step", "at_hand"),
    [
        (ImageConfig(), "COPY dir:1 in /app ", False),
        (ImageConfig(), 'RUN |1 A="b" /bin/sh -c mkdir -p "/app"', False),
        (ImageConfig(working_dir="/app"), "", False),
        (ImageConfig(entrypoint=("sh", "-c", "exec /app/start")), "", False),
        (ImageConfig(env={"PATH": "/bin:/app/bin"}), "", False),
        (ImageConfig(volumes=("/app/data",)), "", False),
        (ImageConfig(healthcheck={"Test": ["CMD", "/app/check"]}), "", False),
        # a layout's layers cost nothing to fetch
        (ImageConfig(), "", True),
    ],
)
def test_a_base_that_may_have_something_in_the_folder_of_programs_is_read(
    place: Place, config: ImageConfig, step: str, *, at_hand: bool
) -> None:
    """What a base had under that name was gone without a word."""
    for entries, says in (
        ([LayerEntry.symlink("app", "srv/app")], "/app would be a folder, and is a link to srv/app in the base"),
        ([LayerEntry.file("app", b"#!/bin/sh\n", 0o755)], "/app would be a folder, and is a file in the base"),
        ([LayerEntry.directory("app/app")], "/app/app would be a file, and is a folder in the base"),
    ):
        place.entries = (PASSWD, *entries)
        base = replace(place.base(), config=config, steps=({"created_by": step},), at_hand=at_hand)
        with pytest.raises(CannotStart, match=says) as caught:
            place.verifier().before(place.sources(base))
        assert "would be" not in (caught.value.details or "")
        assert "another base" in (caught.value.hint or "")
    place.entries = (PASSWD, LayerEntry.file("app/app", b"#!/bin/sh\n", 0o755), LayerEntry.file("app/other", b"x"))
    base = replace(place.base(), config=config, steps=({"created_by": step},), at_hand=at_hand)
    place.verifier().before(place.sources(base, platforms=(AMD64,)))
    (note,) = [event.text for event in place.events if isinstance(event, Note)]
    assert note.startswith("the image app (linux/amd64): /app/app of the base is replaced")


@pytest.mark.parametrize("step", ["WORKDIR /application", "COPY x /srv/app", "RUN useradd -d /home/app app", "/app.d"])
def test_a_base_that_speaks_of_other_folders_is_not_read(place: Place, step: str) -> None:
    base = replace(place.base(), steps=({"created_by": step},), config=ImageConfig(working_dir="/srv/app"))
    place.verifier().before(place.sources(base))
    assert not place.was_read


@pytest.mark.parametrize(
    ("layers", "files", "says"),
    [
        (124, (), None),
        (125, (), "has 126 layers, and Docker takes 125"),
        (123, ("app/file",), None),
        (124, ("app/file",), "has 126 layers, and Docker takes 125"),
        (500, (), "has 501 layers"),
    ],
)
def test_more_layers_than_docker_takes_are_reported_before_anything_is_compiled_or_sent(
    place: Place, layers: int, files: tuple[str, ...], says: str | None
) -> None:
    base = place.base()
    sources = place.sources(replace(base, layers=base.layers * layers), files=files)
    if says is None:
        place.verifier().before(sources)
    else:
        with pytest.raises(CannotStart, match=says):
            place.verifier().before(sources)
    assert not place.was_read


@pytest.mark.parametrize(
    ("user", "says"),
    [("web", None), ("33:0", None), ("www", "/etc/passwd of its image has no such user")],
)
def test_a_user_by_name_is_looked_for_in_the_base(place: Place, user: str, says: str | None) -> None:
    sources = place.sources(place.base(), user=user)
    if says is None:
        place.verifier().before(sources)
    else:
        with pytest.raises(CannotStart) as caught:
            place.verifier().before(sources)
        assert says in caught.value.message
        assert "the image app (linux/amd64, linux/arm64) is to run" in caught.value.message
    assert place.was_read is (user != "33:0")


def test_what_is_wrong_is_reported_of_all_images_and_platforms_at_once(place: Place) -> None:
    sources = place.sources(place.base(), "one", "two", user="www")
    with pytest.raises(CannotStart) as caught:
        place.verifier().before(sources)
    reported = f"{caught.value.message}\n{caught.value.details}"
    for name in ("one", "two"):
        assert reported.count(f"the image {name} (linux/amd64, linux/arm64)") == 1


def test_glibc_on_a_base_that_has_none_is_refused_without_reading_it(tmp_path: Path) -> None:
    place = Place(tmp_path, libc="gnu:2.17")
    with pytest.raises(CannotStart, match="cannot start on the base 'alpine:3'") as caught:
        place.verifier().before(place.sources(place.base("alpine:3", has_loader=False)))
    assert "--libc musl" in (caught.value.hint or "")
    assert not place.was_read


def test_glibc_on_a_base_that_has_none_is_found_out_by_reading(tmp_path: Path) -> None:
    place = Place(tmp_path, libc="gnu:2.17")
    with pytest.raises(CannotStart):
        place.verifier().before(place.sources(place.base()))
    assert place.was_read


def test_files_beside_the_programs_own_folder_must_get_along_with_the_base(place: Place) -> None:
    # a file where the base has a folder, and a folder where it has a file
    place.verifier().before(place.sources(place.base(), files=("/srv/data",)))
    assert place.was_read
    with pytest.raises(CannotStart, match="etc/passwd"):
        place.verifier().before(place.sources(place.base(), files=("/etc/passwd/data",)))


def test_a_program_for_another_machine_is_all_that_is_said_of_its_image(place: Place) -> None:
    sources = place.sources(place.base())
    wrong = place.programs(arm64=STATIC_PROGRAMS[AMD64])
    with pytest.raises(CannotStart, match="arm64") as caught:
        place.verifier().after(sources, [wrong])
    assert caught.value.details is None
    assert not place.was_read


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF"])
def test_what_is_no_program_is_refused(place: Place, data: bytes) -> None:
    with pytest.raises(CannotStart):
        place.verifier().after(place.sources(place.base()), [place.programs(amd64=data)])


def test_a_library_that_is_missing_is_reported_with_the_package_that_has_it(place: Place) -> None:
    needs = place.programs(amd64=elf_file("EM_X86_64", interpreter="/lib64/ld-linux-x86-64.so.2"))
    sources = place.sources(place.base(), platforms=(AMD64,))
    with pytest.raises(CannotStart, match="ld-linux-x86-64"):
        place.verifier().after(sources, [needs])
    assert place.was_read, "what a dynamic program needs is in the base"


def test_a_package_that_has_a_missing_library_is_named(place: Place) -> None:
    owners = {"libpq.so.5": "libpq5"}
    base = place.base(owner=owners.get)
    case = _Case(place.verifier(), place.sources(base)[0], AMD64, None)
    assert _hint(case, "libpq.so.5") == "the package libpq5 has libpq.so.5: add it to packages"
    assert _hint(case, "libmine.so") == "as it was"
    assert _hint(structs.replace(case, own=place.sources(place.base())[0]), "libpq.so.5") == "as it was"


def _hint(case: _Case, library: str) -> str | None:
    return case._with_package(error(Code.LIBRARY_MISSING, "x", "as it was", library=library)).hint


@pytest.mark.parametrize(
    ("libc", "asks", "refused"),
    [("gnu:2.17", "GLIBC_2.17", False), ("gnu:2.17", "GLIBC_2.34", True), ("gnu", "GLIBC_2.34", False)],
)
def test_a_program_that_asks_for_more_than_the_floor(tmp_path: Path, libc: str, asks: str, *, refused: bool) -> None:
    place = Place(tmp_path, libc=libc)
    case = _Case(place.verifier(), place.sources(place.base())[0], AMD64, {})
    found = list(case._floor(Path("app"), facts(requires={"libc.so.6": [asks]})))
    assert bool(found) is refused
    for finding in found:
        assert finding.text == "app (linux/amd64) asks for GLIBC_2.34, above the floor 2.17"
        assert "gnu:2.34" in (finding.hint or "")


def test_folders_of_the_base_keep_their_owners(place: Place) -> None:
    (own,) = place.sources(place.base(), files=("/srv/data",))
    found = place.verifier().folders(own, own.bases[AMD64])
    assert found is not None
    (folder,) = [each for each in found if each.path == "srv"]
    assert (folder.mode, folder.uid, folder.gid) == (0o750, 33, 34)


@pytest.mark.parametrize(
    ("spec", "files"), [("debian:12", ()), ("debian:12", ("/app/data",)), ("static", ("/srv/data",))]
)
def test_where_the_base_has_no_say_its_folders_are_not_asked(place: Place, spec: str, files: tuple[str, ...]) -> None:
    (own,) = place.sources(place.base(spec), files=files)
    assert place.verifier().folders(own, own.bases[AMD64]) is None
    assert not place.was_read


def test_what_is_known_of_a_base_is_used_and_not_read_again(place: Place) -> None:
    """A warning is worth nothing that would be downloaded; where the layer is known it costs nothing."""
    sources = place.sources(place.base(), user="web", platforms=(AMD64,))
    place.verifier().before(sources)
    assert place.was_read
    # its bytes are not needed a second time
    gone = replace(sources[0].bases[AMD64], layers=(structs.replace(place.layer()),))
    for path in (place.root / "base").rglob("*"):
        if path.is_file():
            path.unlink()
    place.verifier().before([structs.replace(sources[0], bases={AMD64: gone})])
    assert not [event for event in place.events if isinstance(event, Note)]


def test_several_programs_are_all_looked_at(place: Place) -> None:
    both = {at: {**named, "other": named["app"]} for at, named in place.programs().items()}
    both[AMD64] = {**both[AMD64], "other": place.root / "needs"}
    (place.root / "needs").write_bytes(needing("libgone.so.1", machine="EM_AARCH64"))
    with pytest.raises(CannotStart, match="needs"):
        place.verifier().after(place.sources(place.base()), [both])
