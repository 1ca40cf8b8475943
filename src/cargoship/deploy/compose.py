"""Compose files: the services that are built from a Cargo project. Reads folders; changes nothing.

A service's `build` becomes its `image`; the section itself stays, as an extension that Compose passes over
(`x-build`), so that no comment and no anchor in it is lost. Specification: https://docs.docker.com/reference/compose-file/
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from cargoship.cargo.manifest import MANIFEST
from cargoship.deploy.nodes import Form, YamlNode
from cargoship.deploy.places import (
    FOUND,
    SCHEME,
    WORD,
    Demand,
    FolderReference,
    Page,
    Position,
    Spot,
    parse_reference,
    written_reference,
)
from cargoship.deploy.tree import YamlDocument
from cargoship.events import Note
from cargoship.oci.target import expanded
from cargoship.reading import is_file
from cargoship.suggest import listed

_REMOTE = re.compile(r"[a-z+]+://|git@|[^/]+\.git(#|$)|github\.com/")
_CONTEXT = "context"
RESET = "!reset"
"""What takes away what another file says: https://docs.docker.com/reference/compose-file/merge/#reset-value"""
_NOTHING = ("", "~", "null", "Null", "NULL")
_PROPERTIES = re.compile(r"(?:[&!]\S*(?:\s+|\Z))*")
"""An anchor and a tag before a value."""
_DOCKERFILE = ("dockerfile", "dockerfile_inline", "additional_contexts")

Tell = Callable[[Note], None]


def is_compose(document: YamlDocument) -> bool:
    """Whether a document is a Compose file: it has services, and is no object of Kubernetes."""
    root = document.root
    if root is None or root.form is not Form.TABLE or root.get("apiVersion") is not None:
        return False
    found = root.get("services")
    return found is not None and found.form is Form.TABLE


def in_services(document: YamlDocument, page: Page, folder: Path, tell: Tell) -> Iterator[Spot]:
    """The builds of a Compose file that are Cargo projects; `folder` is where its paths start.

    Others are left alone, and reported.
    """
    found: dict[str, Path | str] = {}
    asks, keys = page.may_say("pull_policy"), _Keys(page)
    for name, service in services(document):
        build, image = service.entry("build"), service.entry("image")
        if build is None:
            yield from keys.policy(service) if asks and image is not None and SCHEME in image[2].value else ()
            continue
        table, key, value = build
        if image is not None and SCHEME in image[2].value:
            # the image says which binary it is; the section must not win over it, and what takes one away does not
            if value.tag != RESET:
                yield keys.set_aside(key, table)
            yield from keys.policy(service) if asks else ()
            continue
        path = project(value, folder, found)
        if isinstance(path, str):
            tell(Note(f"{page.place(key.start)}: the build of {name.value} is left alone: {path}"))
            continue
        ignored = [each.value for each, _ in value.pairs if each.value != _CONTEXT] if value.form is Form.TABLE else []
        if ignored:
            tell(Note(f"{page.place(key.start)}: of the build of {name.value}, {listed(ignored)} means nothing here"))
        wanted = FolderReference(str(path), name.value)
        yield from keys.policy(service) if asks else ()
        if image is None:
            yield keys.replaced(key, wanted, table)
        else:
            yield keys.set_aside(key, table)
            yield _filled(image[2], page, wanted)


def demands(document: YamlDocument, page: Page, folder: Path) -> Iterator[Demand]:
    """The platforms that services say they run on, for images that are built here."""
    known: dict[str, Path | str] = {}
    for name, service in services(document) if page.may_say("platform") else ():
        platform = service.entry("platform")
        if platform is None or platform[2].form is not Form.SCALAR or not platform[2].value or "$" in platform[2].value:
            continue
        image = service.text("image") or ""
        found = FOUND.search(image) if SCHEME in image else None
        if found is not None:
            place = page.place(platform[2].start)
            yield Demand(place, parse_reference(written_reference(found), place)[0], platform[2].value)
            continue
        build = service.get("build")
        if build is not None and isinstance(path := project(build, folder, known), Path):
            yield Demand(page.place(platform[2].start), FolderReference(str(path), name.value), platform[2].value)


def services(document: YamlDocument) -> Iterator[tuple[YamlNode, YamlNode]]:
    """The names and the tables of a Compose file's services."""
    found = document.root.get("services") if document.root is not None else None
    for name, service in found.pairs if found is not None and found.form is Form.TABLE else ():
        if service.form is Form.TABLE:
            yield name, service


def is_remote(path: str) -> bool:
    """Whether a context, or a file, is somewhere else: in a repository of git, or in a registry."""
    return _REMOTE.match(path) is not None


def project(value: YamlNode, folder: Path, known: dict[str, Path | str]) -> Path | str:
    """The folder of the Cargo project that a `build` means, or why it is none.

    `known` has what is known of contexts already, and gets what is found out: a thousand services may have one.
    """
    if value.tag == RESET:
        return f"{RESET} takes it away"
    if value.form is Form.LIST:
        return "it is no folder"
    if value.form is Form.TABLE:
        other = next((key for key in _DOCKERFILE if value.get(key) is not None), None)
        if other is not None:
            return f"it names a {other}"
    named = value if value.form is Form.SCALAR else value.get(_CONTEXT)
    says = named is not None and (named.style or named.value not in _NOTHING)
    context = named.value if named is not None and says else ""
    if context not in known:
        known[context] = _project_in(context, folder)
    return known[context]


def _project_in(context: str, folder: Path) -> Path | str:
    if not context:
        return "it names no folder"
    if "$" in context:
        return "its folder depends on a variable"
    if is_remote(context):
        return f"{context} is not on this machine"
    path = os.path.join(folder, expanded(context) if context.startswith("~") else context)  # noqa: PTH118 - half the time
    return Path(path) if is_file(Path(path, MANIFEST)) else f"there is no {MANIFEST} in {context}"


class _Keys:
    """Keys of a page that get other names. Thousands of services may come to one by an anchor: each is seen to once."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._aside: dict[tuple[YamlNode, YamlNode], Spot] = {}
        self._replaced: dict[tuple[YamlNode, YamlNode], Spot] = {}

    def set_aside(self, key: YamlNode, table: YamlNode) -> Spot:
        """The word `build` becomes `x-build`, or what is not there yet."""
        known = self._aside.get((key, table))
        if known is None:
            page = self._page
            place = page.place(key.start)
            aside = _renamed(key, _aside(key, table), page)
            is_plain = _is_plain_key(key, page, table, place)
            known = Spot(place, None, key.start, key.end, before=aside, is_plain=is_plain)
            self._aside[key, table] = known
        return known

    def replaced(self, key: YamlNode, wanted: FolderReference, table: YamlNode) -> Spot:
        """The same, with the image before it."""
        known = self._replaced.get((key, table))
        if known is None:
            page, aside = self._page, self.set_aside(key, table)
            between = ", " if table.flow else _newline(page) + " " * (aside.place.column - 1)
            before = _renamed(key, "image", page) + ': "'
            known = aside._replace(before=before, after=f'"{between}{aside.before}')
            self._replaced[key, table] = known
        return Spot(known.place, wanted, known.start, known.end, known.part, known.before, known.after, known.is_plain)

    def policy(self, service: YamlNode) -> Iterator[Spot]:
        """`pull_policy: build` asks for a build that is not there any more."""
        policy = service.entry("pull_policy")
        if policy is not None and policy[2].form is Form.SCALAR and policy[2].value == "build":
            yield self.set_aside(policy[1], policy[0])


def _aside(key: YamlNode, table: YamlNode) -> str:
    name, number = f"x-{key.value}", 1
    while table.own(name) is not None:
        number += 1
        name = f"x-{key.value}-{number}"
    return name


def _renamed(key: YamlNode, name: str, page: Page) -> str:
    """A key as it is written, with another name; one that escapes hide is written out."""
    before, found, after = page.text[key.start : key.end].rpartition(key.value)
    return f"{before}{name}{after}" if found else f'"{name}"'


def _is_plain_key(key: YamlNode, page: Page, table: YamlNode, place: Position) -> bool:
    """Whether a key stands there as most people write it: alone, or first in its line or between braces.

    Another key in its place, or before it, is then what it looks like, and there is no second one of its name.
    """
    text, start, end = page.text, key.start, key.end
    return (
        page.is_simple
        and table.has_plain_keys
        and text[start:end] == f"{key.style}{key.value}{key.style}"
        and text.startswith(":", end)
        and (table.flow or not text[start - place.column + 1 : start].strip(" "))
    )


def _filled(image: YamlNode, page: Page, wanted: FolderReference) -> Spot:
    """The whole of a service's image, in its own kind of quotes; an anchor before it stays."""
    written = page.text[image.start : image.end].rstrip()
    end = image.start + len(written)
    properties = _PROPERTIES.match(written)
    if image.tag == RESET or (properties is not None and properties[0] == written):
        # nothing stands there, or what would take the image away
        before = page.text[image.start - 1]
        colon = " " if before == ":" else "" if before.isspace() else ": "
        anchor = "".join(f"{each} " for each in written.split() if each.startswith("&"))
        return Spot(page.place(image.start), wanted, image.start, end, before=f'{colon}{anchor}"', after='"')
    start = end - len(written.rsplit(maxsplit=1)[-1])
    quote = image.style if image.style in {"'", '"'} else ""
    is_plain = WORD.fullmatch(image.value) is not None and written == f"{quote}{image.value}{quote}"
    return Spot(page.place(start), wanted, start, end, before=quote, after=quote, is_plain=is_plain)


def _newline(page: Page) -> str:
    found = re.search("\r?\n|\r", page.text)
    return "\n" if found is None else found[0]
