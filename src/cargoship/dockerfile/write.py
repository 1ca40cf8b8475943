"""From a plan to the text of a Dockerfile.

No `# syntax=` line, no here-documents and no variables in the targets of mounts: the BuildKit of Docker 20.10 reads
what is written here, and nothing is fetched to read it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence

from cargoship.dockerfile.model import DockerfileOptions, Variant
from cargoship.dockerfile.private import PrivateSources
from cargoship.dockerfile.recorded import head
from cargoship.dockerfile.runtime import check_base, runtime
from cargoship.dockerfile.words import command, volume_list, without_controls
from cargoship.errors import UsageError
from cargoship.plan import Plan
from cargoship.platforms import LibcFamily
from cargoship.suggest import listed

CARGO_HOME = "/usr/local/cargo"
"""Where the official images of Rust have it."""
SOURCE = "/src"
"""Where the project is while it is built."""
OUT = "/out"
"""Where the stage `build` leaves the files of the images."""
UNITS = "/root/.cache/cargoship/units"
"""Where cargoship keeps compiled units for root: beside the standard libraries, which belong to the first stage."""
_VENV = "/opt/cargoship"
_TMP = "/tmp"  # noqa: S108 - in an image, where nobody else is


def dockerfile(plan: Plan, wishes: DockerfileOptions) -> str:
    """Return the text.

    Raises UsageError for what a Dockerfile cannot hold or the wishes do not allow, CannotStart for programs on glibc
    without a base that has it.
    """
    if wishes.apt and wishes.apk:
        raise UsageError("--apt and --apk do not go together", hint="an image has the packages of one distribution")
    for image in plan.images:
        check_base(image, plan.libc)
    cross = wishes.variant is Variant.CROSS
    platforms = ",".join(str(platform) for platform in plan.platforms)
    parts = [
        "\n".join(_opening(plan, wishes, platforms)),
        "\n".join(_tools(wishes, plan, cross=cross)),
        "\n".join(_planner(plan)),
        "\n".join(_dependencies(plan, wishes)),
        "\n".join(_build(plan, wishes)),
        *("\n".join(runtime(plan, image, cross=cross)) for image in plan.images),
    ]
    return "\n\n".join(parts) + "\n"


def _opening(plan: Plan, wishes: DockerfileOptions, platforms: str) -> Iterator[str]:
    yield head(wishes)
    yield "#"
    named = ("" if wishes.file == "Dockerfile" else f"-f {command(wishes.file)} ") + wishes.private.given
    for image in plan.images:
        target = "" if len(plan.images) == 1 else f"--target runtime-{image.name} "
        if wishes.variant is Variant.CROSS:
            yield f"#   docker buildx build {named}{target}--platform {platforms} -t {image.name} ."
        else:
            yield f"#   docker build {named}{target}-t {image.name} ."
    if wishes.private.git or wishes.private.ssh:
        yield "#"
        yield "# For repositories that want a login, or a host key of their own, also:"
        yield "#   --secret id=gitconfig,src=FILE --secret id=known_hosts,src=FILE"
    if wishes.variant is Variant.CROSS:
        yield ""
        yield "# All of them are compiled at once; --build-arg PLATFORMS=linux/amd64 leaves the others out."
        yield f"ARG PLATFORMS={platforms}"


def _tools(wishes: DockerfileOptions, plan: Plan, *, cross: bool) -> Iterator[str]:
    builder = wishes.builder
    where = "--platform=$BUILDPLATFORM " if cross else ""
    yield "# Rust, cargoship with its C compiler, and the standard library of every target."
    yield f"FROM {where}{without_controls(builder.image, '--builder')} AS tools"
    yield f"ENV CARGO_HOME={CARGO_HOME}"
    if builder.channel is not None:
        yield f"ENV RUSTUP_TOOLCHAIN={builder.channel}"
    if wishes.requirements:
        yield from _installation(wishes)
    elif wishes.apt or wishes.apk:
        yield from _packages(wishes)
    if builder.toolchain_file is not None:
        # not where the recipe is cooked: it brings one of its own, and takes care not to overwrite others
        yield "WORKDIR /toolchain"
        yield f"COPY {builder.toolchain_file} ./"
    yield f"ARG {_platforms(wishes)}"
    yield f'RUN cargoship doctor --fix --platform "${_platforms(wishes)}" --libc {plan.libc}'
    yield f"WORKDIR {SOURCE}"


def _installation(wishes: DockerfileOptions) -> Iterator[str]:
    """An environment of its own for cargoship."""
    yield from _packages(wishes)
    requirements = wishes.requirements
    if wishes.wheel is not None:
        name = wishes.wheel.rpartition("/")[2]
        yield _copy(wishes.wheel, f"{_TMP}/", "--cargoship")
        requirements = (f"{_TMP}/{name}", *requirements[1:])
    if wishes.wheel is None and "://" not in requirements[0]:
        yield "# from PyPI; a wheel that lies here does as well: cargoship dockerfile --cargoship FILE"
    yield "RUN --mount=type=cache,sharing=locked,target=/root/.cache/pip \\"
    yield f"    python3 -m venv {_VENV} \\"
    yield f" && {_VENV}/bin/pip install --quiet {command(*requirements)}"
    # last on PATH: it has a python3 too, which is not meant for the project's build scripts
    yield f"ENV PATH=$PATH:{_VENV}/bin"


def _packages(wishes: DockerfileOptions) -> Iterator[str]:
    if wishes.apk:
        yield f"RUN apk add --no-cache python3 {_names(wishes.apk, '--apk')}"
        return
    install = "apt-get update && apt-get install -y --no-install-recommends python3-venv"
    if wishes.apt:
        yield f"RUN {install} {_names(wishes.apt, '--apt')} \\"
        yield " && rm -rf /var/lib/apt/lists/*"
    else:
        yield "RUN python3 -c 'import ensurepip' 2>/dev/null \\"
        yield f" || ({install} && rm -rf /var/lib/apt/lists/*)"


def _names(packages: Sequence[str], option: str) -> str:
    for package in packages:
        if package.startswith("-") or not all(letter.isalnum() or letter in "+-.:=~_" for letter in package):
            raise UsageError(f"{option} {package!r} is not the name of a package")
    return " ".join(packages)


def _planner(plan: Plan) -> Iterator[str]:
    yield "# What the dependencies are, without the code: the same bytes until they change."
    yield "FROM tools AS planner"
    yield "COPY . ."
    owners = sorted({image.package.name for image in plan.images} | {b.package for i in plan.images for b in i.bins})
    # a recipe of one member does not change with the dependencies of others
    only = f" --bin {command(owners[0])}" if len(owners) == 1 else ""
    yield f"RUN cargoship recipe prepare{only}"


def _dependencies(plan: Plan, wishes: DockerfileOptions) -> Iterator[str]:
    yield "# The dependencies, compiled once: this stage is kept until the recipe changes."
    yield "FROM tools AS dependencies"
    yield f"ARG {_platforms(wishes)}"
    yield f"COPY --from=planner {SOURCE}/recipe.json ./"
    # no recipe holds crates that the project has copies of
    for folder in wishes.private.folders:
        yield _copy(f"{folder}/", f"./{folder}/", "a folder of crates")
    yield from _cargo("recipe cook", wishes.private, _options(plan, wishes))


def _build(plan: Plan, wishes: DockerfileOptions) -> Iterator[str]:
    yield "# The project's own code, with the same options; then the files of the images, by platform."
    yield "FROM dependencies AS build"
    yield f"ARG {_platforms(wishes)}"
    yield "COPY . ."
    several = len(plan.images) > 1
    words = [command("--bin", binary) for binary in wishes.bins]
    if any("{" in str(tag) for image in plan.images for tag in image.settings.tags):
        # placeholders may ask for git, and there is none here
        words.append("-t '{name}'")
    # a base of a registry is the last stage's: it has never been seen here
    standing = _standing(plan)
    words.append("--base static" if standing is _Standing.STATIC else "--base scratch")
    if standing is _Standing.FOREIGN and plan.libc.family is LibcFamily.GNU:
        # and so is the C library that programs look for
        words.append("--no-verify")
    words.append(f"-o 'rootfs:{OUT}/{{name}}'" if several else f"-o rootfs:{OUT}")
    yield from _cargo("build", wishes.private, _options(plan, wishes), " ".join(words))


class _Standing(enum.Enum):
    """What the last stages stand on: all on the same, for the files of all are made by one command."""

    STATIC = "static"
    SCRATCH = "scratch"
    FOREIGN = "an image of a registry"


def _standing(plan: Plan) -> _Standing:
    named = {_Standing.STATIC.value: _Standing.STATIC, _Standing.SCRATCH.value: _Standing.SCRATCH}
    kinds = {named.get(image.settings.base, _Standing.FOREIGN): image.name for image in plan.images}
    if len(kinds) > 1:
        raise UsageError(
            f"the images {listed(kinds.values())} stand on bases of different kinds",
            hint="choose one image with --package or --bin, and name its Dockerfile with --file",
        )
    return next(iter(kinds))


def _cargo(name: str, private: PrivateSources, *lines: str) -> Iterator[str]:
    # locked: cargo's own lock is in a folder that builds do not share
    yield f"RUN --mount=type=cache,sharing=locked,target={CARGO_HOME}/registry \\"
    yield f"    --mount=type=cache,sharing=locked,target={CARGO_HOME}/git \\"
    # what a layer that is made again has in common with the one before; in a mount, for a layer would hold it twice
    yield f"    --mount=type=cache,target={UNITS} \\"
    for mount in private.mounts(CARGO_HOME):
        yield f"    {mount} \\"
    yield " \\\n".join([f"    cargoship {name} {lines[0]}", *(f"        {line}" for line in lines[1:])])


def _options(plan: Plan, wishes: DockerfileOptions) -> str:
    """What counts for dependencies: cook and build get the same, or cargo would compile them twice."""
    cargo = plan.cargo
    packages = sorted({binary.package for image in plan.images for binary in image.bins})
    features = dict.fromkeys(name for build in plan.builds for name in build.features)
    words = [
        f'--platform "${_platforms(wishes)}"',
        command("--libc", str(plan.libc), "--profile", cargo.profile),
        *(command("-p", package) for package in packages),
        *([command("-F", ",".join(features))] if features else []),
        *(["--all-features"] if cargo.all_features else []),
        *(["--no-default-features"] if cargo.no_default_features else []),
        *(["--locked"] if cargo.locked else []),
    ]
    return " ".join(words)


def _platforms(wishes: DockerfileOptions) -> str:
    return "PLATFORMS" if wishes.variant is Variant.CROSS else "TARGETPLATFORM"


def _copy(path: str, to: str, what: str) -> str:
    """COPY of one thing of the build context: as words, or as a list where the path would be several or none."""
    odd = set(path + to) & set(" \t\"'\\$")
    return f"COPY {volume_list((path, to), what) if odd else f'{without_controls(path, what)} {to}'}"
