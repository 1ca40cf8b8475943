"""Running an image on this machine: in its container engine, or without one in the image's own root file system.

Without an engine the program is in the sandbox: it has the image's files, environment, user and folder, and the
machine's network, for it is run to be reached; another processor is QEMU's. That takes Linux.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from msgspec import Struct, structs

from cargoship.checks.users import owner_of
from cargoship.context import Context
from cargoship.deploy.ports import LOOPBACK, is_port_taken
from cargoship.destinations import DaemonDestination, Engine
from cargoship.errors import DaemonError, ToolMissing, UsageError
from cargoship.events import Level, Note
from cargoship.native import native_platform
from cargoship.oci.layout_reader import read_image
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.plan import BIN_DIR, ImagePlan, Output, OutputKind, Selection
from cargoship.platforms import row
from cargoship.process import Command
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.rootfs.unpack import unpack_root
from cargoship.rootfs.view import view_of
from cargoship.sandbox.emulators import emulator_for
from cargoship.sandbox.inside.spec import Limits
from cargoship.sandbox.start import Sandbox, SandboxRoot, machine_memory_bytes
from cargoship.scratch import scratch
from cargoship.shipping import BuildResult, BuiltImage
from cargoship.suggest import listed

_LAYOUT = "image"
_ENGINES_OWN = frozenset({125, 126})
"""What docker and podman end with where they could not start a program; programs may end with it too."""
PODMANS_INITS = tuple(Path(each, "podman/catatonit") for each in ("/usr/libexec", "/usr/lib", "/usr/local/libexec"))
_DISK_BYTES = 4 << 30
_REMOVE_TIMEOUT_S = 10.0
_PROCESSES = 4096


class Host(Struct, frozen=True):
    """What runs images here: an engine, or (None) this machine itself."""

    engine: Engine | None
    platform: Platform
    """What it runs without emulation."""


def find_host(context: Context) -> Host:
    """An engine if one answers, else this machine's sandbox; raises DaemonError where neither can run images."""
    asked = DaemonDestination((), context.runner, context.env, context.emit, context.cache_dir)
    try:
        engine, platform = asked.find()
    except DaemonError as error:
        with scratch("cargoship-run-") as folder:
            sandbox = _sandbox()
            trouble = sandbox.trouble(context.runner, folder)
        if trouble is not None:
            raise DaemonError(f"{error.message}; {trouble}", hint=error.hint) from error
        context.emit(Note(f"running without a container engine, in the image's own files ({error.message})"))
        if sandbox.weakness is not None:
            context.emit(Note(sandbox.weakness, Level.WARNING))
        return Host(None, native_platform())
    return Host(engine, platform)


def selection_for(selection: Selection, host: Host, platform: Platform | None, folder: Path) -> Selection:
    """What to build so that `host` can run it; without an engine the image goes into `folder`.

    Raises UsageError for WebAssembly, which no engine of Linux runs.
    """
    if platform is not None and row(platform).is_wasm:
        program = f"FOLDER/{platform}{BIN_DIR}/NAME"
        raise UsageError(
            f"{platform} is not run here: it takes a runtime of WebAssembly",
            hint=f"cargoship build --platform {platform} -o rootfs:FOLDER, and wasmtime {program}",
        )
    overrides = {**selection.overrides, "platforms": (str(platform or host.platform),)}
    if host.engine is not None:
        return structs.replace(selection, overrides=overrides, load=True)
    return structs.replace(selection, overrides=overrides, outputs=(Output(OutputKind.OCI, folder / _LAYOUT),))


def selection_of_engine(selection: Selection, host: Host) -> Selection:
    """The same for the engine's platform, unless others are asked for."""
    overrides = {"platforms": (str(host.platform),), **selection.overrides}
    return structs.replace(selection, overrides=overrides, load=True)


def called_locally(host: Host, context: Context) -> Callable[[ImagePlan, BuiltImage], str]:
    """What images are called that an engine has: a tag that says what they are; raises DaemonError."""
    if host.engine is None:
        raise DaemonError("there is no container engine to load images into", hint="start Docker or podman")
    program = host.engine.value

    def called(plan: ImagePlan, image: BuiltImage) -> str:
        loaded = _loaded_as(plan)
        name = loaded.tagged_by(image.index.digest)
        done = context.runner.run(Command((program, "tag", loaded.familiar, name.familiar), env=context.env))
        if done.code != 0:
            raise DaemonError(f"{program} cannot name the image {name.familiar}", details=done.error_text.strip())
        return name.familiar

    return called


def selection_of_cluster(selection: Selection) -> Selection:
    """The same for the platform of this machine's clusters, unless others are asked for; nothing is pushed."""
    return structs.replace(selection, overrides={"platforms": (str(native_platform()),), **selection.overrides})


def called_in_cluster(plan: ImagePlan, image: BuiltImage) -> str:
    """What an image is called that a local cluster has."""
    return _loaded_as(plan).tagged_by(image.index.digest).familiar


def _loaded_as(plan: ImagePlan) -> Reference:
    return plan.references[0] if plan.references else Reference.parse(f"{plan.name}:latest")


def remove_container(engine: Engine, name: str, context: Context) -> None:
    """End a container and remove it, if it is there, also one that was made and never started.

    An engine may say that the removal is under way already: that is waited for.
    """
    until = time.monotonic() + _REMOVE_TIMEOUT_S
    there = Command((engine.value, "container", "inspect", name), env=context.env)
    while context.runner.run(there, timeout_s=_REMOVE_TIMEOUT_S).code == 0 and time.monotonic() < until:
        context.runner.run(Command((engine.value, "rm", "-f", name), env=context.env), timeout_s=_REMOVE_TIMEOUT_S)


def check_alone(names: Sequence[str]) -> None:
    """One image is run at a time; raises UsageError."""
    if len(names) > 1:
        raise UsageError(f"there are {len(names)} images: {listed(names)}", hint="choose one with --bin or --package")


class LaunchOptions(Struct, frozen=True):
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


def container_command(result: BuildResult, host: Host, wishes: LaunchOptions, context: Context) -> Command:
    """The engine's command that runs what was built and loaded.

    Its ports are published on the loopback, but for one with the host's network, which has them there already.
    """
    image, built = result.plan.images[0], result.images[0]
    child = built.index.children[0]
    reference = image.references[0] if image.references else Reference.parse(f"{image.name}:latest")
    argv = [
        host.engine.value if host.engine else "",
        "run",
        "--rm",
        *_init(host, context),
        "--platform",
        str(child.platform),
    ]
    argv += ["--name", wishes.name] if wishes.name else []
    argv += ["-i", "-t"] if wishes.tty else ["-i"]
    argv += ["--network", wishes.network] if wishes.network else []
    for port in child.config.exposed_ports if wishes.network != "host" else ():
        number, _, protocol = port.partition("/")
        argv += ["-p", f"{LOOPBACK}:{number}:{number}/{protocol or 'tcp'}"]
    # by name alone: values may be secrets, and arguments are seen by everybody
    variables = wishes.variables(context)
    argv += [word for name in variables for word in ("-e", name)]
    return Command((*argv, reference.familiar, *wishes.words), cwd=context.cwd, env={**context.env, **variables})


def check_started(command: Command, code: int) -> None:
    """Whether an engine's command that ended with `code` found a port taken that it was to publish here.

    Raises DaemonError for one; the engine's own words have said no more than an address.
    """
    if code not in _ENGINES_OWN:
        return
    for flag, value in pairwise(command.argv):
        if flag == "-p" and value.startswith(f"{LOOPBACK}:"):
            number, _, protocol = value.rpartition(":")[2].partition("/")
            if is_port_taken(int(number), protocol):
                raise DaemonError(
                    f"something else on this machine has the port {number}",
                    hint="end that, or have the program listen on another port and name it with --set expose=PORT",
                )


def _init(host: Host, context: Context) -> tuple[str, ...]:
    """The words that put a first process before the program.

    The kernel keeps signals from a first process that has no handler for them: most programs would not notice Ctrl-C.
    Docker has one of its own, podman takes one from the machine, and it has to be static.
    """
    has_own = (
        host.engine is not Engine.PODMAN or not sys.platform.startswith("linux") or "CONTAINER_HOST" in context.env
    )
    if has_own or any(path.exists() for path in PODMANS_INITS):
        return ("--init",)
    for name in ("catatonit", "tini-static", "docker-init"):
        found = context.runner.programs.find(name, context.env)
        if found is not None:
            return ("--init", f"--init-path={found}")
    context.emit(Note("without catatonit, podman's program may take no notice of Ctrl-C", Level.WARNING))
    return ()


def bare_command(result: BuildResult, folder: Path, wishes: LaunchOptions, context: Context) -> Command:
    """The command that runs what was built without an engine, after unpacking it into a new folder in `folder`.

    Raises ToolMissing without QEMU for its processor, UsageError for a user that the image does not know, and what
    unpacking raises.
    """
    child = result.images[0].index.children[0]
    config = child.config
    emulator = emulator_for(child.platform, context.runner.programs, context.env)
    if isinstance(emulator, str):
        raise ToolMissing(f"{emulator}, and runs {child.platform} here", hint="install qemu-user-static")
    # as it was written: the blobs of a base in a registry are not at hand any more
    layers = read_image(folder / _LAYOUT, platform=child.platform).layers
    root = view_of(layers, LayerCache(context.cache_dir / "layers"))
    if owner_of(config.user or "", root) is None:
        raise UsageError(f"the image does not know its user {config.user}", hint="set user to a number: 65532:65532")
    files = SandboxRoot.of(folder / "files", root, config, emulator)
    unpack_root(root, files.folder, files.owner)
    files.furnish()
    argv = (*config.entrypoint, *(wishes.words or config.cmd))
    env = {"PATH": "/usr/bin:/bin", **config.env, **wishes.variables(context)}
    return replace(_sandbox(wishes).command(files, argv, config, env), cwd=context.cwd)


def _sandbox(wishes: LaunchOptions | None = None) -> Sandbox:
    """What a program may take that somebody watches: most of the machine, and as long as it likes."""
    memory_bytes = machine_memory_bytes()
    limits = Limits(
        memory_bytes=memory_bytes // 4 * 3,
        disk_bytes=min(_DISK_BYTES, memory_bytes // 4),
        processes=_PROCESSES,
        resources={},
    )
    return Sandbox(limits, own_network=wishes is not None and wishes.network == "none", hostname="cargoship")
