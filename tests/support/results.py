"""Results of builds that never ran, of real images."""

from __future__ import annotations

from pathlib import Path

from cargoship.cargo.command import CargoBuild
from cargoship.cargo.project import Binary, Package
from cargoship.destinations import Published, outputs_of, reference_of
from cargoship.oci.compress import Codec, Compression
from cargoship.oci.config import ImageConfig
from cargoship.oci.image import Image, make_image
from cargoship.oci.index import index_of
from cargoship.oci.layer import BlobStore, build_layer
from cargoship.oci.layout import write_layout
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.oci.tar import LayerEntry
from cargoship.plan import ImagePlan, Output, Plan
from cargoship.platforms import DEFAULT_PLATFORMS, Libc, LibcFamily
from cargoship.settings.model import Settings
from cargoship.shipping import BuildResult, BuiltImage

CREATED = "1970-01-01T00:00:00Z"


def image(store: Path, name: str, platform: Platform) -> Image:
    """An image of one layer with one file."""
    layer = build_layer(
        [LayerEntry.file(f"app/{name}", f"{name} for {platform}".encode(), 0o755)],
        store=BlobStore(store), compression=Compression.of(Codec.NONE), epoch=0, created_by=f"cargoship: /app/{name}",
    )  # fmt: skip
    config = ImageConfig(
        user="nonroot", entrypoint=(f"/app/{name}",), env={"PATH": "/bin"}, labels={"note": "two\nlines \x1b[31m"}
    )
    return make_image(platform=platform, config=config, layers=[layer], created=CREATED, annotations={})


def plan(
    root: Path,
    *names: str,
    references: tuple[str, ...] = (),
    push: bool = False,
    load: bool = False,
    outputs: tuple[Output, ...] = (),
) -> Plan:
    """A plan for images of these names; `{name}` in a reference stands for each."""
    manifest = root / "Cargo.toml"
    images = []
    for name in names:
        binary = Binary(name, name)
        package = Package(f"path+file://{root}#{name}@1.2.3", name, "1.2.3", manifest, root, (binary,))
        named = tuple(Reference.parse(text.replace("{name}", name)) for text in references)
        images.append(ImagePlan(name, package, (binary,), Settings(), named, {}, {}))
    cargo = CargoBuild(manifest, root, packages=names, bins=names, targets=("x86_64-unknown-linux-musl",))
    return Plan(
        root, root / "target", root / "target", tuple(images), DEFAULT_PLATFORMS, Libc(LibcFamily.MUSL), cargo, 0,
        CREATED, push=push, load=load, outputs=outputs,
    )  # fmt: skip


def result(made: Plan, *, pushed_bytes: int = 1000) -> BuildResult:
    """What building a plan gives; it is pushed where the plan says so."""
    built = []
    for each in made.images:
        index = index_of([image(made.root / "blobs", each.name, one) for one in made.platforms], annotations={})
        names = {reference.name: reference for reference in each.references}
        published = []
        for name, reference in names.items():
            tags = tuple(str(one.tag) for one in each.references if one.name == name)
            one = Published(
                reference.at(index.digest), index.digest, tags,
                pushed=3, mounted=1, skipped=2, pushed_bytes=pushed_bytes,
            )  # fmt: skip
            published.append(one)
        done = tuple(published if made.push else ())
        where = reference_of(each, made, index.digest, done)
        outputs = outputs_of(each, made)
        if not made.outputs:
            for own in outputs:
                write_layout(own.path, index, names=each.references)
        built.append(BuiltImage(each.name, where, index, done, outputs))
    return BuildResult(made, tuple(built), {"metadata": 0.1, "compile": 12.3456, "total": 12.5})


def digests(stdout: str) -> list[str]:
    """The images that a build has printed, each by its last name and digest: without the folders, which differ."""
    return sorted(line.rpartition("/")[2].rpartition("@")[2] for line in stdout.splitlines())
