"""Running an image on this machine: in its container engine, or without one in the image's own root file system.

Without an engine the program has the image's files, environment, user and folder, and the machine's network; another
processor is QEMU's. That takes Linux, and an image whose base is built in.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cargoship.cargo.suggest import listed
from cargoship.context import Context
from cargoship.destinations import DaemonDestination, Engine
from cargoship.destinations.chosen import native_platform
from cargoship.errors import DaemonError, ToolMissing, UsageError
from cargoship.events import Note
from cargoship.oci.config import ImageConfig
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.pipeline import BuildResult, BuiltImage
from cargoship.plan import ImagePlan, Output, OutputKind, Selection
from cargoship.platforms import row
from cargoship.process import Command

_EMULATOR = ".qemu"


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
    """What to build so that `host` can run it; without an engine the image's files go into a new folder in `folder`."""
    overrides = {**selection.overrides, "platforms": (str(platform or host.platform),)}
    if host.engine is not None:
        return replace(selection, overrides=overrides, load=True)
    files = Output(OutputKind.ROOTFS, folder / "files")
    return replace(selection, overrides=overrides, outputs=(files,))


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


def bare_command(result: BuildResult, host: Host, folder: Path, wishes: Wishes, context: Context) -> Command:
    """The command that runs what was built without an engine; raises ToolMissing without QEMU for its processor."""
    child = result.images[0].index.children[0]
    root = folder / "files" / str(child.platform)
    config = child.config
    path = context.env.get("PATH")
    unshare = shutil.which("unshare", path=path)
    if unshare is None:
        raise ToolMissing("unshare is not on PATH", hint="install util-linux, or start Docker or podman")
    program = [*config.entrypoint, *(wishes.words or config.cmd)]
    if child.platform != host.platform:
        program = [f"/{_emulator(child.platform, root, path)}", *program]
    (root / "proc").mkdir(exist_ok=True)
    argv = [unshare, "--fork", "--kill-child", "--pid", "--mount", "--mount-proc", "--root", str(root)]
    argv += ["--wd", config.working_dir or "/"]
    # root becomes the image's user; anybody else can only be root in a world of their own
    argv += _user(config, root) if os.geteuid() == 0 else ["--map-root-user"]
    return Command(
        (*argv, *program), cwd=context.cwd, env={"PATH": "/usr/bin:/bin", **config.env, **wishes.variables(context)}
    )


def _emulator(platform: Platform, root: Path, path: str | None) -> str:
    """Put QEMU into the image's files, where the program can be reached from; its name there."""
    name = f"qemu-{row(platform).qemu}-static"
    found = shutil.which(name, path=path)
    if found is None:
        raise ToolMissing(f"{name} is not on PATH, and runs {platform} here", hint="install qemu-user-static")
    shutil.copy(found, root / _EMULATOR)
    (root / _EMULATOR).chmod(0o755)
    return _EMULATOR


def _user(config: ImageConfig, root: Path) -> list[str]:
    user, _, group = (config.user or "0").partition(":")
    known = _passwd(root)
    uid, gid = known.get(user, (user, user))
    if not uid.isdigit():
        raise UsageError(f"the image's user {user} has no number", hint="set user to a number, such as 65532:65532")
    return ["--setgid", group if group.isdigit() else gid, "--setuid", uid]


def _passwd(root: Path) -> Mapping[str, tuple[str, str]]:
    """Users of the image by name: their numbers and those of their groups. passwd(5)."""
    path = root / "etc" / "passwd"
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    fields = [line.split(":") for line in lines]
    return {each[0]: (each[2], each[3]) for each in fields if len(each) > 3}  # noqa: PLR2004 - name, x, uid, gid
