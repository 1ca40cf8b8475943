"""Any image, ours or not: whether it can start on each of its platforms, and what its programs are made of.

Everything is read here, layers included; what was read once is known by its digest.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from cargoship.checks.config_form import check_config
from cargoship.checks.finding import Code, Finding, Severity, error
from cargoship.checks.image import check_image
from cargoship.checks.program import ProgramContext, find_program, load_program
from cargoship.context import Context
from cargoship.elf.facts import ElfFacts
from cargoship.elf.read import is_elf, read_elf
from cargoship.errors import CannotStart
from cargoship.images.layered import LayeredImage, open_layers
from cargoship.oci.descriptor import Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.index import is_listed_wrongly, usual_platform
from cargoship.oci.platform import Platform
from cargoship.platforms import kin
from cargoship.rootfs.tree import ResolvedPath
from cargoship.rootfs.view import RootFs


class Checked(Struct, frozen=True):
    """One image of an index, and what was found."""

    platform: Platform
    digest: Digest
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing keeps it from starting."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)


class Examination(Struct, frozen=True):
    """What was found at `target`."""

    target: str
    digest: Digest
    images: tuple[Checked, ...]
    missing: tuple[Descriptor, ...] = ()
    """What the index names and is not there, so that it cannot be looked at."""

    @property
    def ok(self) -> bool:
        """Whether all of it can start."""
        return all(image.ok for image in self.images)


class Program(Struct, frozen=True):
    """A program of an image, and where its loader finds what it needs (None: nowhere)."""

    path: str
    size_bytes: int
    facts: ElfFacts
    libraries: tuple[tuple[str, str | None], ...] = ()


class ImagePrograms(Struct, frozen=True):
    """The programs of one image; `platform` and `digest` None for a file that is a program itself."""

    platform: Platform | None
    digest: Digest | None
    programs: tuple[Program, ...]


def verify(target: str, context: Context) -> Examination:
    """Whether an image starts: a layout's folder, an archive's file, or a reference in a registry.

    Raises ContentInvalid for a damaged one, RegistryError's family, UsageError, and CannotStart for an index without
    an image for Linux.
    """
    with open_layers(target, context) as found:
        checked = tuple(Checked(each.platform, each.digest, tuple(_findings(each))) for each in found.images)
    if not checked:
        raise CannotStart(f"{target} has no image in it", hint="name an image, or an index of images")
    return Examination(target, found.digest, checked, found.missing)


def inspect_programs(target: str, context: Context) -> tuple[ImagePrograms, ...]:
    """The programs of an image: what it starts, and what lies beside that; or the one that a file is.

    Raises as `verify` does.
    """
    path = context.cwd / target
    if path.is_file():
        with path.open("rb") as stream:
            start = stream.read(4)
        if is_elf(start):
            facts = read_elf(path)
            needed = tuple((name, None) for name in facts.needed)
            return (ImagePrograms(None, None, (Program(target, path.stat().st_size, facts, needed),)),)
    with open_layers(target, context) as found:
        return tuple(ImagePrograms(each.platform, each.digest, tuple(programs_in_image(each))) for each in found.images)


def _findings(image: LayeredImage) -> Iterator[Finding]:
    platform = usual_platform(image.platform)
    if image.listed is not None and is_listed_wrongly(image.listed, image.platform):
        yield error(
            Code.WRONG_MACHINE,
            f"the index lists this image as one for {image.listed}, and its config says {image.platform}",
            "engines choose by the index: name the image by its own platform, or build it for the one that is listed",
        )
    place = kin(platform)
    if platform.os != "linux" and (place is None or not place.is_wasm):
        yield Finding(Severity.NOTE, Code.NOT_CHECKED, f"the image ({image.platform}) is not for Linux")
        return
    yield from check_config(image.config_file, said=f"the image ({image.platform})")
    yield from check_image(image.root(), image.config, platform)


def programs_in_image(image: LayeredImage) -> Iterator[Program]:
    """What it starts, and what lies beside that; raises as reading layers does."""
    if usual_platform(image.platform).os != "linux":
        return
    root = image.root()
    argv = (*image.config.entrypoint, *image.config.cmd)
    found = find_program(argv[0], root, image.config.env, image.config.working_dir or "/") if argv else None
    if found is None:
        return
    beside = root.tree.files_below(found.path.rpartition("/")[0]) if found.path.startswith("/app/") else ()
    for each in dict.fromkeys((found.path, *(other.path for other in beside if other.node.is_executable))):
        again = root.find(each)
        facts = None if again is None else root.elf(again)
        if again is not None and facts is not None:
            yield Program(each, again.node.size_bytes, facts, _libraries(image, again, facts, root))


def _libraries(
    image: LayeredImage, found: ResolvedPath, facts: ElfFacts, root: RootFs
) -> tuple[tuple[str, str | None], ...]:
    loaded = load_program(found, root, ProgramContext(usual_platform(image.platform), image.config.env))
    if loaded is None:
        return tuple((name, None) for name in facts.needed)
    libraries = [(each.name, each.path) for each in loaded.everything[1:]]
    return (*libraries, *((name, None) for name in loaded.missing))
