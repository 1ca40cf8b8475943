"""Documents from files, folders and standard input: what is wanted in each, and what it becomes."""

from __future__ import annotations

import bisect
import codecs
import enum
import errno
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath

from msgspec import Struct
from msgspec.structs import replace

from cargoship.deploy import compose, finding, kustomize, other_files
from cargoship.deploy.collecting import uncollected
from cargoship.deploy.nodes import Form, YamlNode
from cargoship.deploy.places import SCHEME, WORD, Demand, FolderReference, NameReference, Page, Spot, splice
from cargoship.deploy.selector import Selector
from cargoship.deploy.tree import YamlDocument, count_documents, read_documents
from cargoship.errors import DocumentInvalid, UsageError
from cargoship.events import Note
from cargoship.reading import BYTES_MAX, is_folder, is_there, read_file
from cargoship.suggest import did_you_mean

_YAML = (".yaml", ".yml")
_JSON = ".json"
STDIN = "-"
_MARK = b"\xef\xbb\xbf"
_WIDE = {
    # UTF-32's mark begins with UTF-16's, and is looked for first
    "UTF-32": ((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), (SCHEME.encode("utf-32-le"), SCHEME.encode("utf-32-be"))),
    "UTF-16": ((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), (SCHEME.encode("utf-16-le"), SCHEME.encode("utf-16-be"))),
}
"""Documents that are not UTF-8: the marks that they begin with, and what a reference looks like in them."""
_BLANK = re.compile(r"[ \t\r\n]*")
_BLANKS = frozenset(" \t\r\n")


class ReferenceHidden(DocumentInvalid):
    """A reference where it cannot be changed, in a document that can be read."""


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


class SourceFile(Struct, frozen=True):
    """A file to resolve: what it is called in messages, its bytes, where its paths start, where it goes."""

    name: str
    data: bytes
    folder: Path
    relative: PurePath
    """Its place in a folder that it is written to."""


class ScannedFile(Struct, frozen=True):
    """A file that has been read: its text, and the spots in it."""

    source: SourceFile
    page: Page
    format: Format
    spots: tuple[Spot, ...]
    documents: tuple[YamlDocument, ...] = ()
    """None of plain text."""
    chosen: tuple[bool, ...] = ()
    """For each of the documents, whether the selector means it."""
    demands: tuple[Demand, ...] = ()
    """Platforms that images in it have to be for."""

    def filled(self, reference: Callable[[NameReference | FolderReference], str]) -> bytes:
        """The file with every spot filled; raises DocumentInvalid where that cannot be done safely."""
        text = splice(self.page, self.spots, reference) if all(self.chosen) else self._cut(reference)
        self._check(text, reference)
        return text.encode()

    def _is_plain(self, text: str, reference: Callable[[NameReference | FolderReference], str]) -> bool:
        """Whether nothing could have gone wrong: words took the place of words that mean as little to a parser.

        Reading a large document again costs as much as reading it did.
        """
        wanted = {spot.wanted for spot in self.spots}
        return (
            all(self.chosen)
            and not _may_want(text)
            and not any((spot.before or spot.after) and not spot.is_plain for spot in self.spots)
            and all(WORD.fullmatch(reference(each)) for each in wanted if each is not None)
        )

    def _check(self, text: str, reference: Callable[[NameReference | FolderReference], str]) -> None:
        """Whatever way it was written in: what comes out is read again, and nothing is left to be resolved."""
        if self.format is Format.TEXT or not self.spots or self._is_plain(text, reference):
            return
        try:
            if self.format is Format.YAML and not _may_want(text) and "build" not in text:
                # nothing is left to be wanted, and a second tree of a large document costs as much as the first one
                count, left = count_documents(text, self.source.name), False
            else:
                again = _read(replace(self.source, data=text.encode()), self.format, None, _silent)
                count, left = len(again.documents), bool(again.spots)
        except DocumentInvalid as error:
            raise DocumentInvalid(
                f"{self.spots[0].place}: the image cannot be written here: {error.message}",
                hint="write the reference as a text of its own, in double quotes",
            ) from error
        if count != sum(self.chosen) or left:
            raise DocumentInvalid(
                f"{self.spots[0].place}: the image cannot be written here without changing something else",
                hint="write the reference as a text of its own, in double quotes",
            )

    def _cut(self, reference: Callable[[NameReference | FolderReference], str]) -> str:
        """Fill in, and leave out the documents that are not meant."""
        starts = [0, *(each.start for each in self.documents[1:]), len(self.page.text)]
        kept = []
        for meant, start, end in zip(self.chosen, starts[:-1], starts[1:], strict=True):
            if meant:
                within = [each._replace(start=each.start - start, end=each.end - start)
                          for each in self.spots if start <= each.start < end]  # fmt: skip
                kept.append(splice(Page(self.page.name, self.page.text[start:end]), within, reference))
        return "".join(kept)


def read_sources(names: Iterable[str], *, recursive: bool, cwd: Path, stdin: Callable[[], bytes]) -> list[SourceFile]:
    """Read the files that names stand for: files, folders (their .yaml, .yml and .json files), `-`.

    Raises UsageError for what does not exist or holds nothing.
    """
    found: list[SourceFile] = []
    for name in names:
        path = cwd / name
        if name == STDIN:
            found.append(SourceFile("stdin", stdin(), cwd, PurePath("stdin.yaml")))
        elif is_folder(path):
            files = sorted(_files(path, recursive=recursive))
            if not files:
                deeper = "" if recursive else "; -R looks into its folders too"
                raise UsageError(f"there is no .yaml, .yml or .json file in {name}", hint=f"name a file{deeper}")
            found += [_file(read_file, each, str(PurePath(name) / each.relative_to(path)), each.relative_to(path))
                      for each in files]  # fmt: skip
        elif is_there(path):
            found.append(_file(_read_any, path, name, PurePath(path.name)))
        else:
            raise UsageError(f"there is no file {name}", hint="name files, folders, or - for standard input")
    return found


def _files(folder: Path, *, recursive: bool) -> Iterator[Path]:
    for path in folder.iterdir():
        if is_folder(path):
            if recursive and not path.is_symlink() and not path.name.startswith("."):
                yield from _files(path, recursive=True)
        elif path.suffix in {*_YAML, _JSON} or path.name == kustomize.FILE:
            yield path


def _file(read: Callable[[Path], bytes], path: Path, name: str, relative: PurePath) -> SourceFile:
    try:
        return SourceFile(name, read(path), path.parent, relative)
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error


def _read_any(path: Path) -> bytes:
    """What a person has named may be a pipe, as a shell makes it of `<(...)`."""
    with path.open("rb") as stream:
        data = stream.read(BYTES_MAX + 1)
    if len(data) > BYTES_MAX:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return data


@uncollected()
def scan(source: SourceFile, form: Format, selector: Selector | None, tell: Callable[[Note], None]) -> ScannedFile:
    """Read a file and find what is wanted in it; raises DocumentInvalid, ReferenceUnknown.

    `tell` hears of builds that are left alone. With a selector only the objects that it means count.
    """
    if form is not Format.AUTO:
        return _read(source, form, selector, tell)
    suffix = source.relative.suffix
    if (
        source.name == "stdin"
        and source.data.removeprefix(_MARK).lstrip()[:1] in {b"{", b"["}
        and _is_json(source.data)
    ):
        suffix = _JSON
    if suffix == _JSON:
        return _read(source, Format.JSON, selector, tell)
    if suffix not in _YAML and source.relative.name != kustomize.FILE:
        return _read(source, Format.TEXT, selector, tell)
    try:
        return _read(source, Format.YAML, selector, tell)
    except DocumentInvalid as error:
        # JSON may have tabs where YAML may not
        if source.data.removeprefix(_MARK).lstrip()[:1] in {b"{", b"["} and _is_json(source.data):
            return _read(source, Format.JSON, selector, tell)
        if b"{{" not in source.data or isinstance(error, ReferenceHidden):
            raise
        tell(Note(f"{source.name} is read as text, for it is a template ({error.message})"))
        return _read(source, Format.TEXT, selector, tell)


def _read(source: SourceFile, form: Format, selector: Selector | None, tell: Callable[[Note], None]) -> ScannedFile:
    page = Page(source.name, _text(source))
    match form:
        case Format.JSON:
            return _read_json(source, page, selector, tell)
        case Format.YAML:
            return _read_yaml(source, page, form, selector, tell)
        case _:
            if selector is not None:
                raise UsageError(f"{source.name} has no labels to select by", hint="leave out -l for text files")
            return ScannedFile(source, page, form, tuple(finding.in_text(page)))


def _read_json(source: SourceFile, page: Page, selector: Selector | None, tell: Callable[[Note], None]) -> ScannedFile:
    """One document, or a stream of them one after the other, as kubectl and jq take it."""
    values = _json(page)
    if len(values) == 1 and isinstance(values[0][1], dict) and isinstance(values[0][1].get("services"), dict):
        return _read_yaml(source, page, Format.JSON, selector, tell)
    chosen = tuple(selector is None or _means(selector, value, page, start) for start, value in values)
    starts = [start for start, _ in values]
    spots = [spot for spot in finding.in_json(page) if chosen[max(bisect.bisect_right(starts, spot.start) - 1, 0)]]
    documents = tuple(YamlDocument(start, None) for start in starts)
    return ScannedFile(source, page, Format.JSON, tuple(spots), documents, chosen)


def _read_yaml(
    source: SourceFile, page: Page, form: Format, selector: Selector | None, tell: Callable[[Note], None]
) -> ScannedFile:
    documents = read_documents(page.text, page.name, SCHEME)
    possible = _may_want(page.text)
    chosen = tuple(selector is None or _meant(each, selector, page) for each in documents)
    spots: list[Spot] = []
    demands: list[Demand] = []
    for document in (each for each, meant in zip(documents, chosen, strict=True) if meant and each.root is not None):
        if compose.is_compose(document):
            spots += compose.in_services(document, page, source.folder, tell)
            other_files.check_other_files(document, page, source.folder, tell)
            demands += compose.demands(document, page, source.folder)
        if document.root is None or not possible or not document.root.has_word:
            continue
        kustomize.check_images(document, page)
        in_braces = document.root.keys_in_braces() if page.has_brackets else ()
        hidden = next((each for each in in_braces if SCHEME in each.value), None)
        if hidden is not None:
            raise ReferenceHidden(
                f"{page.place(hidden.start)}: the reference is in a template's braces, which YAML takes for a key",
                hint="put quotes around the whole value, or have the file read as text: --format text",
            )
        for scalar in document.root.scalars():
            spots += finding.in_scalar(page, scalar)
    return ScannedFile(source, page, form, tuple(spots), documents, chosen, tuple(demands))


def _may_want(text: str) -> bool:
    """Whether a value may have the word: one that the text does not have is in none, unless escapes hide it there."""
    return SCHEME in text or "\\" in text


def _meant(document: YamlDocument, selector: Selector, page: Page) -> bool:
    root = document.root
    if root is not None and root.form is Form.LIST:
        raise _together(page, root.start, "list")
    if root is None or root.form is not Form.TABLE:
        return False
    if (root.text("kind") or "").endswith("List") and root.get("items") is not None:
        raise _together(page, root.start, root.text("kind") or "")
    metadata = root.get("metadata")
    labels = metadata.get("labels") if metadata is not None and metadata.form is Form.TABLE else None
    return selector.matches(_texts(labels))


def _texts(table: YamlNode | None) -> dict[str, str]:
    if table is None or table.form is not Form.TABLE:
        return {}
    found: dict[str, str] = {}
    for each in reversed(list(table.tables())):
        found.update((key.value, value.value) for key, value in each.pairs if value.form is Form.SCALAR)
    return found


def _means(selector: Selector, document: object, page: Page, start: int) -> bool:
    """Whether a document of JSON is meant; raises UsageError for several objects in one."""
    if isinstance(document, list):
        raise _together(page, start, "list")
    if not isinstance(document, dict):
        return False
    kind = document.get("kind")
    if isinstance(kind, str) and kind.endswith("List") and "items" in document:
        raise _together(page, start, kind)
    metadata = document.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return selector.matches({key: str(value) for key, value in labels.items()} if isinstance(labels, dict) else {})


def _together(page: Page, start: int, what: str) -> UsageError:
    return UsageError(
        f"{page.place(start)}: -l cannot take a {what} apart",
        hint="write its items as documents of their own, or leave out -l",
    )


def _text(source: SourceFile) -> str:
    for name, (marks, schemes) in _WIDE.items():
        if source.data.startswith(marks) or any(each in source.data for each in schemes):
            raise DocumentInvalid(f"{source.name}:1: this is {name}", hint="save it as UTF-8")
    try:
        return source.data.decode()
    except UnicodeDecodeError as error:
        line = source.data.count(b"\n", 0, error.start) + 1
        raise DocumentInvalid(
            f"{source.name}:{line}: this is no UTF-8 ({error.reason})", hint=f"{SCHEME} is looked for in text alone"
        ) from error


def _json(page: Page) -> list[tuple[int, object]]:
    """The documents of a stream, with where each begins; raises DocumentInvalid."""
    try:
        return json_documents(page.text)
    except json.JSONDecodeError as error:
        comment = page.text.startswith(("//", "/*", "#"), error.pos)
        raise DocumentInvalid(
            f"{page.place(error.pos)}: this is no JSON: {error.msg}",
            hint="JSON has no comments: take them out, or have the file read as text: --format text"
            if comment
            else None,
        ) from error
    except RecursionError as error:
        raise DocumentInvalid(
            f"{page.name}: this is no JSON that anybody could use: it is nested too deeply"
        ) from error
    except ValueError as error:
        # a number of more digits than Python takes
        raise DocumentInvalid(f"{page.name}: this is no JSON that anybody could use: {error}") from error


def json_documents(text: str) -> list[tuple[int, object]]:
    """The values of a JSON stream, with where each begins; raises ValueError, RecursionError."""
    decoder = json.JSONDecoder()
    found: list[tuple[int, object]] = []
    position = _blank(text, 1 if text.startswith("\ufeff") else 0)
    while position < len(text) or not found:
        value, end = decoder.raw_decode(text, position)
        found.append((position, value))
        position = _blank(text, end) if text[end : end + 1] in _BLANKS else end
    return found


def _blank(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return position if match is None else match.end()


def _is_json(data: bytes) -> bool:
    try:
        json_documents(data.decode())
    except (ValueError, RecursionError):
        return False
    return True


def _silent(note: Note) -> None:
    """A note is given once."""
    del note
