"""Documents from files, folders and standard input: what is wanted in each, and what it becomes."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from cargoship.cargo.suggest import did_you_mean
from cargoship.deploy import compose, finding
from cargoship.deploy.places import SCHEME, Folder, Named, Page, Spot, splice
from cargoship.deploy.selector import Selector
from cargoship.deploy.tree import Document, Form, Node, read_documents
from cargoship.errors import DocumentInvalid, UsageError
from cargoship.events import Note

_YAML = (".yaml", ".yml")
_JSON = ".json"
STDIN = "-"


class Format(enum.Enum):
    """How a file is read."""

    AUTO = "auto"
    """By its name; standard input as JSON if it is, else as YAML; a template that is no YAML as text."""
    YAML = "yaml"
    JSON = "json"
    TEXT = "text"

    @classmethod
    def parse(cls, text: str) -> Format:
        """Parse a name; raises UsageError."""
        known = [each.value for each in cls]
        if text not in known:
            raise UsageError(f"{text!r} is no format{did_you_mean(text, known)}", hint=f"formats: {', '.join(known)}")
        return cls(text)


@dataclass(frozen=True)
class Source:
    """A file to resolve: what it is called in messages, its bytes, where its paths start, where it goes."""

    name: str
    data: bytes
    folder: Path
    relative: PurePath
    """Its place in a folder that it is written to."""


@dataclass(frozen=True)
class Found:
    """A file that has been read: its text, and the spots in it."""

    source: Source
    page: Page
    format: Format
    spots: tuple[Spot, ...]
    documents: tuple[Document, ...] = ()
    """Of YAML only."""
    chosen: tuple[bool, ...] = ()
    """For each of the documents, whether the selector means it."""

    def filled(self, reference: Callable[[Named | Folder], str]) -> bytes:
        """The file with every spot filled; raises DocumentInvalid where that cannot be done safely."""
        text = splice(self.page, self.spots, reference) if all(self.chosen) else self._cut(reference)
        self._check(text)
        return text.encode()

    def _check(self, text: str) -> None:
        """Whatever way it was written in: what comes out is read again, and nothing is left to be resolved."""
        if self.format is Format.TEXT or not self.spots:
            return
        try:
            again = _read(replace(self.source, data=text.encode()), self.format, None, _silent)
        except DocumentInvalid as error:
            raise DocumentInvalid(
                f"{self.spots[0].place}: the image cannot be written here: {error.message}",
                hint="write the reference as a text of its own, in double quotes",
            ) from error
        if len(again.documents) != sum(self.chosen) or again.spots:
            raise DocumentInvalid(
                f"{self.spots[0].place}: the image cannot be written here without changing something else",
                hint="write the reference as a text of its own, in double quotes",
            )

    def _cut(self, reference: Callable[[Named | Folder], str]) -> str:
        """Fill in, and leave out the documents that are not meant."""
        starts = [0, *(each.start for each in self.documents[1:]), len(self.page.text)]
        kept = []
        for meant, start, end in zip(self.chosen, starts[:-1], starts[1:], strict=True):
            if meant:
                within = [replace(each, start=each.start - start, end=each.end - start)
                          for each in self.spots if start <= each.start < end]  # fmt: skip
                kept.append(splice(Page(self.page.name, self.page.text[start:end]), within, reference))
        return "".join(kept)


def read_sources(names: Iterable[str], *, recursive: bool, cwd: Path, stdin: Callable[[], bytes]) -> list[Source]:
    """Read the files that names stand for: files, folders (their .yaml, .yml and .json files), `-`.

    Raises UsageError for what does not exist or holds nothing.
    """
    found: list[Source] = []
    for name in names:
        path = cwd / name
        if name == STDIN:
            found.append(Source("stdin", stdin(), cwd, PurePath("stdin.yaml")))
        elif path.is_dir():
            files = sorted(_files(path, recursive=recursive))
            if not files:
                deeper = "" if recursive else "; -R looks into its folders too"
                raise UsageError(f"there is no .yaml, .yml or .json file in {name}", hint=f"name a file{deeper}")
            found += [_file(each, str(PurePath(name) / each.relative_to(path)), each.relative_to(path))
                      for each in files]  # fmt: skip
        elif path.exists():
            found.append(_file(path, name, PurePath(path.name)))
        else:
            raise UsageError(f"there is no file {name}", hint="name files, folders, or - for standard input")
    return found


def _files(folder: Path, *, recursive: bool) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if recursive and not path.is_symlink() and not path.name.startswith("."):
                yield from _files(path, recursive=True)
        elif path.suffix in {*_YAML, _JSON}:
            yield path


def _file(path: Path, name: str, relative: PurePath) -> Source:
    try:
        return Source(name, path.read_bytes(), path.parent, relative)
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error


def find(source: Source, form: Format, selector: Selector | None, tell: Callable[[Note], None]) -> Found:
    """Read a file and find what is wanted in it; raises DocumentInvalid, ReferenceUnknown.

    `tell` hears of builds that are left alone. With a selector only the objects that it means count.
    """
    if form is not Format.AUTO:
        return _read(source, form, selector, tell)
    suffix = source.relative.suffix
    if source.name == "stdin" and source.data.lstrip()[:1] in {b"{", b"["} and _is_json(source.data):
        suffix = _JSON
    if suffix == _JSON:
        return _read(source, Format.JSON, selector, tell)
    if suffix not in _YAML:
        return _read(source, Format.TEXT, selector, tell)
    try:
        return _read(source, Format.YAML, selector, tell)
    except DocumentInvalid as error:
        if b"{{" not in source.data:
            raise
        tell(Note(f"{source.name} is read as text, for it is a template ({error.message})"))
        return _read(source, Format.TEXT, selector, tell)


def _read(source: Source, form: Format, selector: Selector | None, tell: Callable[[Note], None]) -> Found:
    page = Page(source.name, _text(source))
    match form:
        case Format.JSON:
            document = _json(page)
            if selector is not None and not _means(selector, _labels(document)):
                return Found(source, page, form, (), (Document(0, None),), (False,))
            if isinstance(document, dict) and isinstance(document.get("services"), dict):
                return _read_yaml(source, page, form, selector, tell)
            return Found(source, page, form, tuple(finding.in_json(page)))
        case Format.YAML:
            return _read_yaml(source, page, form, selector, tell)
        case _:
            if selector is not None:
                raise UsageError(f"{source.name} has no labels to select by", hint="leave out -l for text files")
            return Found(source, page, form, tuple(finding.in_text(page)))


def _read_yaml(
    source: Source, page: Page, form: Format, selector: Selector | None, tell: Callable[[Note], None]
) -> Found:
    documents = read_documents(page.text, page.name)
    chosen = tuple(selector is None or _meant(each, selector, page) for each in documents)
    spots: list[Spot] = []
    for document in (each for each, meant in zip(documents, chosen, strict=True) if meant and each.root is not None):
        if compose.is_compose(document):
            spots += compose.in_services(document, page, source.folder, tell)
        for scalar in document.root.scalars() if document.root is not None else ():
            spots += finding.in_scalar(page, scalar)
    return Found(source, page, form, tuple(spots), documents, chosen)


def _meant(document: Document, selector: Selector, page: Page) -> bool:
    root = document.root
    if root is None or root.form is not Form.TABLE:
        return False
    if (root.text("kind") or "").endswith("List") and root.get("items") is not None:
        raise UsageError(
            f"{page.place(root.start)}: -l cannot take a {root.text('kind')} apart",
            hint="write its items as documents of their own, or leave out -l",
        )
    metadata = root.get("metadata")
    labels = metadata.get("labels") if metadata is not None and metadata.form is Form.TABLE else None
    return selector.matches(_texts(labels))


def _texts(table: Node | None) -> dict[str, str]:
    if table is None or table.form is not Form.TABLE:
        return {}
    return {key.value: value.value for key, value in table.pairs if value.form is Form.SCALAR}


def _labels(document: object) -> Mapping[str, object]:
    metadata = document.get("metadata") if isinstance(document, dict) else None
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return labels if isinstance(labels, dict) else {}


def _means(selector: Selector, labels: Mapping[str, object]) -> bool:
    return selector.matches({key: str(value) for key, value in labels.items()})


def _text(source: Source) -> str:
    try:
        return source.data.decode()
    except UnicodeDecodeError as error:
        line = source.data.count(b"\n", 0, error.start) + 1
        raise DocumentInvalid(
            f"{source.name}:{line}: this is no UTF-8 ({error.reason})", hint=f"{SCHEME} is looked for in text alone"
        ) from error


def _json(page: Page) -> object:
    try:
        document: object = json.loads(page.text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise DocumentInvalid(f"{page.place(error.pos)}: this is no JSON: {error.msg}") from error
    except RecursionError as error:
        raise DocumentInvalid(
            f"{page.name}: this is no JSON that anybody could use: it is nested too deeply"
        ) from error
    return document


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def _silent(note: Note) -> None:
    """Nobody is told twice."""
    del note
