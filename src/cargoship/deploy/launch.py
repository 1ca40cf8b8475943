"""Running an image on this machine: in its container engine, or without one in the image's own root file system.

Without an engine the program has the image's files, environment, user and folder, and the machine's network; another
processor is QEMU's. That takes Linux.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cargoship.cargo.suggest import listed
from cargoship.checks.users import owner_of
from cargoship.context import Context
from cargoship.destinations import DaemonDestination, Engine
from cargoship.destinations.chosen import native_platform
from cargoship.errors import DaemonError, ToolMissing, UsageError
from cargoship.events import Note
from cargoship.oci.layout_reader import read_image
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.pipeline import BuildResult, BuiltImage
from cargoship.plan import ImagePlan, Output, OutputKind, Selection
from cargoship.process import Command
from cargoship.rootfs.book import LayerBook
from cargoship.rootfs.unpack import unpack
from cargoship.rootfs.view import view_of
from cargoship.sandbox import Tools, entering, furnish, namespaces, obeyed_here

_LAYOUT = "image"


@dataclass(frozen=True)
class Host:
    """What runs images here: an engine, or (None) this machine itself."""

    engine: Engine | None
    platform: Platform
    """What it runs without emulation."""


def find_host(context: Context) -> Host:
    """An engine if one answers, else this machine; raises DaemonError where neither can run images."""
    asked = DaemonDestination((), context.runner, context.env, context.emit, context.cache_dir)
    try:
        engine, platform = asked.find()
    except DaemonError as error:
        if shutil.which("unshare", path=context.env.get("PATH")) is None:
            raise
        context.emit(Note(f"running without a container engine, in the image's own files ({error.message})"))
        return Host(None, native_platform())
    return Host(engine, platform)


def selection_for(selection: Selection, host: Host, platform: Platform | None, folder: Path) -> Selection:
    """What to build so that `host` can run it; without an engine the image goes into `folder`."""
    overrides = {**selection.overrides, "platforms": (str(platform or host.platform),)}
    if host.engine is not None:
        return replace(selection, overrides=overrides, load=True)
    return replace(selection, overrides=overrides, outputs=(Output(OutputKind.OCI, folder / _LAYOUT),))


def selection_of_engine(selection: Selection, host: Host) -> Selection:
    """The same for the engine's platform, unless others are asked for."""
    overrides = {"platforms": (str(host.platform),), **selection.overrides}
    return replace(selection, overrides=overrides, load=True)


def called_locally(host: Host, context: Context) -> Callable[[ImagePlan, BuiltImage], str]:
    """What images are called that were loaded: a tag that says what they are, for an engine has no digests of its own.

    Raises DaemonError.
    """
    if host.engine is None:
        raise DaemonError("there is no container engine to load images into", hint="start Docker or podman")
    program = host.engine.value

    def called(plan: ImagePlan, image: BuiltImage) -> str:
        loaded = plan.references[0] if plan.references else Reference.parse(f"{plan.name}:latest")
        name = loaded.with_tag(f"cargoship-{image.index.digest.hex[:12]}")
        done = context.runner.run(Command((program, "tag", loaded.familiar, name.familiar), env=context.env))
        if done.code != 0:
            raise DaemonError(f"{program} cannot name the image {name.familiar}", details=done.error_text.strip())
        return name.familiar

    return called


def check_alone(names: Sequence[str]) -> None:
    """One image is run at a time; raises UsageError."""
    if len(names) > 1:
        raise UsageError(f"there are {len(names)} images: {listed(names)}", hint="choose one with --bin or --package")


@dataclass(frozen=True)
class Wishes:
    """What a person wants of the run: the program's arguments, more of its environment, the engine's network."""

    words: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    """NAME=VALUE, or NAME alone for the value that it has here."""
    network: str | None = None
    tty: bool = False
    name: str | None = None
    """Of the container."""

    def variables(self, context: Context) -> dict[str, str]:
        """The environment that is asked for."""
        pairs = (each.partition("=") for each in self.env)
        return {name: value if given else context.env.get(name, "") for name, given, value in pairs}


def container_command(result: BuildResult, host: Host, wishes: Wishes, context: Context) -> Command:
    """The engine's command that runs what was built and loaded.

    Its ports are published on the loopback, but for one with the host's network, which has them there already.
    """
    image, built = result.plan.images[0], result.images[0]
    child = built.index.children[0]
    reference = image.references[0] if image.references else Reference.parse(f"{image.name}:latest")
    argv = [host.engine.value if host.engine else "", "run", "--rm", "--platform", str(child.platform)]
    argv += ["--name", wishes.name] if wishes.name else []
    argv += ["-i", "-t"] if wishes.tty else ["-i"]
    argv += ["--network", wishes.network] if wishes.network else []
    for port in child.config.exposed_ports if wishes.network != "host" else ():
        number, _, protocol = port.partition("/")
        argv += ["-p", f"127.0.0.1:{number}:{number}/{protocol or 'tcp'}"]
    # by name alone: values may be secrets, and arguments are seen by everybody
    variables = wishes.variables(context)
    argv += [word for name in variables for word in ("-e", name)]
    return Command((*argv, reference.familiar, *wishes.words), cwd=context.cwd, env={**context.env, **variables})


def bare_command(result: BuildResult, folder: Path, wishes: Wishes, context: Context) -> Command:
    """The command that runs what was built without an engine, after unpacking it into a new folder in `folder`.

    Raises ToolMissing without what starts it, or QEMU for its processor, UsageError for a user that the image does not
    know, and what unpacking raises.
    """
    child = result.images[0].index.children[0]
    config, path = child.config, context.env.get("PATH")
    tools = Tools.find(path)
    if isinstance(tools, str):
        raise ToolMissing(tools, hint="install it, or start Docker or podman")
    emulator = tools.emulator(child.platform, path)
    if isinstance(emulator, str):
        raise ToolMissing(f"{emulator}, and runs {child.platform} here", hint="install qemu-user-static")
    obeyed = obeyed_here(config.env)
    if obeyed is not None:
        raise UsageError(
            f"without an engine this machine's own programs would obey the image's {obeyed}",
            hint="start Docker or podman",
        )
    # as it was written: the blobs of a base in a registry are not at hand any more
    layers = read_image(folder / _LAYOUT, platform=child.platform).layers
    root = view_of(layers, LayerBook(context.cache_dir / "layers"))
    if owner_of(config.user or "", root) is None:
        raise UsageError(f"the image does not know its user {config.user}", hint="set user to a number: 65532:65532")
    files = folder / "files"
    unpack(root, files)
    furnish(files, emulator, config)
    argv = (*config.entrypoint, *(wishes.words or config.cmd))
    return Command(
        (*namespaces(tools, "mount", "pid"), *entering(tools, files, root, config, argv, emulator)),
        cwd=context.cwd, env={"PATH": "/usr/bin:/bin", **config.env, **wishes.variables(context)},
    )  # fmt: skip
