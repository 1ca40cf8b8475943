"""A project that is only described, and a builder that compiles nothing: for what happens around builds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec import structs

from cargoship.context import Context
from cargoship.deploy.documents import Format, SourceFile
from cargoship.deploy.resolve import Resolved, ResolveRequest, prepare, resolve
from cargoship.deploy.selector import Selector
from cargoship.errors import CargoshipError
from cargoship.events import Event
from cargoship.plan import Plan, Selection
from cargoship.process import Command, Completed
from cargoship.settings.health import Healthcheck
from cargoship.shipping import BuildResult
from support import results
from support.scripted import ScriptedRunner, said

REPOSITORY = "registry.example.com:5000/team"


def metadata(
    root: Path,
    packages: dict[str, Sequence[str]],
    settings: dict[str, dict[str, object]],
    rust_version: str | None = None,
) -> str:
    """What `cargo metadata` says of a workspace: packages and their binaries."""
    listed = [
        {
            "id": f"path+file://{root}/{name}#{name}@1.2.3",
            "name": name,
            "version": "1.2.3",
            "manifest_path": f"{root}/{name}/Cargo.toml",
            "targets": [{"name": binary, "kind": ["bin"]} for binary in binaries],
            "features": {},
            "dependencies": [],
            "authors": [],
            "rust_version": rust_version,
            "metadata": {"cargoship": settings.get(name, {})},
        }
        for name, binaries in packages.items()
    ]
    ids = [each["id"] for each in listed]
    return json.dumps(
        {
            "packages": listed,
            "workspace_members": ids,
            "workspace_default_members": ids,
            "workspace_root": str(root),
            "target_directory": f"{root}/target",
            "metadata": None,
            "version": 1,
        }
    )


@dataclass
class PretendBuilder:
    """Plans and builds images that exist, of programs that do not; remembers what it was asked."""

    root: Path
    planned: list[Selection] = field(default_factory=list)
    built: list[Selection] = field(default_factory=list)
    fails: CargoshipError | None = None
    checks: dict[str, Healthcheck] = field(default_factory=dict)
    """The health checks of images, by their names."""

    def plan(self, selection: Selection, context: Context) -> Plan:
        del context
        self.planned.append(selection)
        made = results.plan(self.root, *selection.bins, references=(f"{REPOSITORY}/{{name}}:1",), push=True)
        images = [
            structs.replace(
                image,
                bins=(structs.replace(image.bins[0], package=self._owner(selection, image.name)),),
                settings=replace(image.settings, healthcheck=self.checks.get(image.name)),
            )
            for image in made.images
        ]
        return structs.replace(made, images=tuple(images))

    def build(self, selection: Selection, context: Context) -> BuildResult:
        if self.fails is not None:
            raise self.fails
        made = self.plan(selection, context)
        self.built.append(self.planned.pop())
        return results.result(made)

    def build_each(self, selections: Sequence[Selection], context: Context) -> tuple[BuildResult, ...]:
        return tuple(self.build(each, context) for each in selections)

    def _owner(self, selection: Selection, binary: str) -> str:
        # the packages of these tests have binaries of their own names, or names that begin with it
        return next((name for name in selection.packages if binary.startswith(name)), selection.packages[0])


@dataclass
class Workplace:
    """A workspace of packages below `root`, in which documents are resolved."""

    root: Path
    packages: dict[str, Sequence[str]]
    settings: dict[str, dict[str, object]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("", *self.packages):
            folder = self.root / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "Cargo.toml").touch()
        self.builder = PretendBuilder(self.root)

    def context(self) -> Context:
        def answer(command: Command) -> Completed:
            del command
            return said(metadata(self.root, self.packages, self.settings))

        runner = ScriptedRunner({("metadata",): answer})
        return Context(env={}, cwd=self.root, runner=runner, emit=self.events.append)

    def resolve(self, *files: tuple[str, bytes], selector: str | None = None, form: Format = Format.AUTO) -> Resolved:
        """Resolve files by name and content; they are said to be in the workspace's folder."""
        request = ResolveRequest(
            sources=tuple(
                SourceFile(name, data, self.root, Path("stdin.yaml" if name == "stdin" else name))
                for name, data in files
            ),
            projects=(self.root,),
            selection=Selection(self.root),
            selector=None if selector is None else Selector.parse(selector),
            format=form,
        )
        context = self.context()
        return resolve(prepare(request, context, self.builder), context, self.builder)

    def reference(self, name: str) -> str:
        """What an image is known by when it is built."""
        selection = Selection(self.root, packages=(name,), bins=(name,))
        (image,) = PretendBuilder(self.root).build(selection, self.context()).images
        return image.reference
