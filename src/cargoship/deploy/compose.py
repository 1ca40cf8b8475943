"""Compose files: the services that are built from a Cargo project. Reads folders; changes nothing.

A service's `build` becomes its `image`; the section itself stays, as an extension that Compose passes over
(`x-build`), so that no comment and no anchor in it is lost. Specification: https://docs.docker.com/reference/compose-file/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from cargoship.cargo.manifest import MANIFEST
from cargoship.cargo.suggest import listed
from cargoship.deploy.places import SCHEME, Folder, Page, Spot
from cargoship.deploy.tree import Document, Form, Node
from cargoship.events import Note

_REMOTE = re.compile(r"[a-z+]+://|git@|[^/]+\.git(#|$)|github\.com/")
_CONTEXT = "context"
_DOCKERFILE = ("dockerfile", "dockerfile_inline", "additional_contexts")

Tell = Callable[[Note], None]


def is_compose(document: Document) -> bool:
    """Whether a document is a Compose file: it has services, and is no object of Kubernetes."""
    root = document.root
    if root is None or root.form is not Form.TABLE or root.get("apiVersion") is not None:
        return False
    services = root.get("services")
    return services is not None and services.form is Form.TABLE


def in_services(document: Document, page: Page, folder: Path, tell: Tell) -> Iterator[Spot]:
    """The builds of a Compose file that are Cargo projects; `folder` is where its paths start.

    Others are left alone, and told of.
    """
    services = document.root.get("services") if document.root is not None else None
    for name, service in services.pairs if services is not None else ():
        build = service.entry("build") if service.form is Form.TABLE else None
        if build is None:
            continue
        table, key, value = build
        image = service.entry("image")
        if image is not None and SCHEME in image[2].value:
            # the image says which binary it is; the section must not win over it
            yield _set_aside(key, page)
            continue
        path = _project(value, folder)
        if isinstance(path, str):
            tell(Note(f"{page.place(key.start)}: the build of {name.value} is left alone: {path}"))
            continue
        ignored = [each.value for each, _ in value.pairs if each.value != _CONTEXT] if value.form is Form.TABLE else []
        if ignored:
            tell(Note(f"{page.place(key.start)}: of the build of {name.value}, {listed(ignored)} means nothing here"))
        wanted = Folder(path, name.value)
        if image is None:
            yield _replaced(key, page, wanted, table)
        else:
            yield _set_aside(key, page)
            yield _filled(image[2], page, wanted)


def _project(value: Node, folder: Path) -> Path | str:  # noqa: PLR0911 - one for each reason
    """The folder of the Cargo project that a `build` means, or why it is none."""
    if value.form is Form.LIST:
        return "it is no folder"
    if value.form is Form.TABLE:
        other = next((key for key in _DOCKERFILE if value.get(key) is not None), None)
        if other is not None:
            return f"it names a {other}"
    context = value.value if value.form is Form.SCALAR else value.text(_CONTEXT)
    if not context:
        return "it names no folder"
    if "$" in context:
        return "its folder depends on a variable"
    if _REMOTE.match(context):
        return f"{context} is not on this machine"
    path = folder / Path(context).expanduser()
    if not (path / MANIFEST).is_file():
        return f"there is no {MANIFEST} in {context}"
    return path


def _set_aside(key: Node, page: Page) -> Spot:
    """The word `build` becomes `x-build`."""
    aside = page.text[key.start : key.end].replace("build", "x-build", 1)
    return Spot(page.place(key.start), None, key.start, key.end, before=aside)


def _replaced(key: Node, page: Page, wanted: Folder, table: Node) -> Spot:
    """The same, with the image before it."""
    written = page.text[key.start : key.end]
    between = ", " if table.flow else _newline(page) + " " * (key.column - 1)
    before, after = written.replace("build", "image", 1), written.replace("build", "x-build", 1)
    return Spot(page.place(key.start), wanted, key.start, key.end, before=f'{before}: "', after=f'"{between}{after}')


def _filled(image: Node, page: Page, wanted: Folder) -> Spot:
    """The whole of a service's image, in its own kind of quotes; an anchor before it stays."""
    written = page.text[image.start : image.end].rstrip()
    if not written:
        # `image:` with nothing behind it
        return Spot(page.place(image.start), wanted, image.start, image.start, before=' "', after='"')
    end = image.start + len(written)
    start = end - len(written.rsplit(maxsplit=1)[-1])
    quote = image.style if image.style in {"'", '"'} else ""
    return Spot(page.place(start), wanted, start, end, before=quote, after=quote)


def _newline(page: Page) -> str:
    end = page.text.find("\n")
    return "\r\n" if end > 0 and page.text[end - 1] == "\r" else "\n"
