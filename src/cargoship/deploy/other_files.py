"""Files that Compose reads by itself, because a file that is resolved names them: looked into, never changed.

`include` brings all services of a file, `extends` one of them; both may name further files, each from its own folder.
Specification: https://docs.docker.com/reference/compose-file/include/, and /services/#extends
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct, field

from cargoship.deploy import compose
from cargoship.deploy.nodes import Form, YamlNode
from cargoship.deploy.places import SCHEME, Page
from cargoship.deploy.tree import YamlDocument, read_documents
from cargoship.errors import DocumentInvalid
from cargoship.events import Note
from cargoship.reading import read_utf8

_FILES_MAX = 500
"""More than any project has; a file may name others without end."""
_STEPS_MAX = 50
"""From one file, or service, to the next."""


class _Place(Struct, frozen=True):
    """Where a file's paths start: a folder, and what stands before them in messages."""

    folder: Path
    prefix: str

    def below(self, path: str) -> _Place:
        """The same for a folder that is named from here."""
        return _Place(self.folder / path, os.path.normpath(Path(self.prefix, path)))


class _File(Struct, frozen=True):
    """A file that Compose would read."""

    path: Path
    """With nothing to be left out of it: two names of one file are one."""
    page: Page
    documents: tuple[YamlDocument, ...]


class _Looked(Struct):
    """What is looked into for one document, and what that was named by."""

    page: Page
    named: YamlNode
    """The mention in the document itself: the only one that its owner can change there."""
    tell: Callable[[Note], None]
    files: dict[Path, _File | None]
    done: set[tuple[Path, str | None, Path]]
    mentions: set[tuple[object, ...]] = field(default_factory=set)
    """What need not be looked into again."""
    way: list[tuple[Path, str | None]] = field(default_factory=list)
    """The files, and their services, that are being looked into."""

    def include(self, included: YamlNode | None, place: _Place) -> None:
        """Look into everything that an `include` names."""
        for each in included.items if included is not None and included.form is Form.LIST else ():
            path = each.get("path") if each.form is Form.TABLE else each
            paths = [] if path is None else path.items if path.form is Form.LIST else [path]
            names = [one.value for one in paths if one.form is Form.SCALAR]
            said = each.text("project_directory") if each.form is Form.TABLE else None
            mention = (place.folder, said, *names)
            if mention in self.mentions:
                continue
            for one in paths:
                if not self.way and one.form is Form.SCALAR:
                    self.named = one
                file = self._read(one, place)
                if file is not None:
                    self._within(file, None, place.below(said or os.path.dirname(names[0])))  # noqa: PTH120 - "a" has none
            self.mentions.add(mention)

    def extends(self, service: YamlNode, name: str, own: _File | None, place: _Place) -> None:
        """Look into what a service extends; `own` is the file that it stands in, None for the document itself."""
        extends = service.get("extends")
        if extends is None or service.own("build") or service.own("image"):
            return
        if extends.form is Form.SCALAR:
            if own is not None:
                self._within(own, extends.value, place)
            return
        named, base = extends.get("file"), extends.text("service") or name
        if named is None or named.form is not Form.SCALAR:
            if own is not None:
                self._within(own, base, place)
            return
        mention = (place.folder, named.value, base, "extends")
        if mention in self.mentions:
            return
        if not self.way:
            self.named = named
        file = self._read(named, place)
        if file is not None:
            self._within(file, base, place.below(os.path.dirname(named.value)))  # noqa: PTH120
        self.mentions.add(mention)

    def _within(self, file: _File, service: str | None, place: _Place) -> None:
        """Look into a file, or at one service of it; raises DocumentInvalid for a build, and for a circle."""
        step = (file.path, service)
        done = (*step, place.folder)
        if step in self.way:
            names = [*(self._name(each) for each in self.way[self.way.index(step) :]), self._name(step)]
            raise DocumentInvalid(
                f"{self.page.place(self.named.start)}: this goes in a circle: {' -> '.join(names)}",
                hint="Compose refuses it too: take one of them out of the other",
            )
        if done in self.done:
            return
        self.done.add(done)
        self.way.append(step)
        if len(self.way) > _STEPS_MAX:
            raise DocumentInvalid(
                f"{self.page.place(self.named.start)}: this leads through more than {_STEPS_MAX} files or services"
            )
        for document in file.documents:
            if service is None and document.root is not None and document.root.form is Form.TABLE:
                self.include(document.root.get("include"), place)
            for name, found in compose.services(document) if compose.is_compose(document) else ():
                if service in {None, name.value}:
                    self._refuse_build(name, found, file.page, place)
                    self.extends(found, name.value, file, place)
        self.way.pop()

    def _refuse_build(self, name: YamlNode, service: YamlNode, other: Page, place: _Place) -> None:
        image, build = service.entry("image"), service.entry("build")
        ours = image if image is not None and SCHEME in image[2].value else None
        if ours is None and build is not None and isinstance(compose.project(build[2], place.folder, {}), Path):
            ours = build
        if ours is not None:
            raise DocumentInvalid(
                f"{self.page.place(self.named.start)}: {name.value} is built of what {other.place(ours[1].start)} "
                "says, a file that Compose reads by itself",
                hint="write the service's image here, such as image: cargoship://NAME, or name all files with -f "
                "instead of one in the other",
            )

    def _read(self, named: YamlNode, place: _Place) -> _File | None:
        """A file that is named; None for what is not here or cannot be read, of which Compose says more."""
        if named.form is not Form.SCALAR or compose.is_remote(named.value):
            return None
        if "$" in named.value:
            self._passed_over(named, "its name depends on a variable")
            return None
        if "\0" in named.value:
            self._passed_over(named, "no file is called so")
            return None
        path = Path(os.path.realpath(place.folder / named.value))
        if path not in self.files:
            if len(self.files) >= _FILES_MAX:
                raise DocumentInvalid(
                    f"{self.page.place(self.named.start)}: Compose would read more than {_FILES_MAX} files by itself"
                )
            self.files[path] = None
            page = Page(os.path.normpath(Path(place.prefix, named.value)), "")
            try:
                page = Page(page.name, read_utf8(path))
            except OSError as error:
                self._passed_over(named, error.strerror or "it cannot be read")
                return None
            except ValueError:
                self._passed_over(named, "it is no UTF-8")
                return None
            self.files[path] = _File(path, page, read_documents(page.text, page.name, SCHEME))
        return self.files[path]

    def _passed_over(self, named: YamlNode, why: str) -> None:
        self.tell(Note(f"{self.page.place(self.named.start)}: {named.value} is not looked into: {why}"))

    def _name(self, step: tuple[Path, str | None]) -> str:
        file = self.files.get(step[0])
        name = str(step[0]) if file is None else file.page.name
        return name if step[1] is None else f"{step[1]} of {name}"


def check_other_files(document: YamlDocument, page: Page, folder: Path, tell: Callable[[Note], None]) -> None:
    """Refuse what Compose would build of files that it reads by itself.

    `tell` hears of files that cannot be looked into. Raises DocumentInvalid with the place of both, and for circles.
    """
    root = document.root
    if root is None:
        return
    looked = _Looked(page, root, tell, {}, set())
    for name, service in _extending(document) if page.may_say("extends") else ():
        looked.extends(service, name, None, _Place(folder, ""))
    looked.include(root.get("include"), _Place(folder, ""))


def _extending(document: YamlDocument) -> Iterator[tuple[str, YamlNode]]:
    return ((name.value, service) for name, service in compose.services(document) if service.get("extends") is not None)
