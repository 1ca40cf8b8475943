"""Actions as messages: what would be run, on which files. Pure; the same bytes for the same action."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from cargoship.oci.descriptor import Blob, BytesBlob, Descriptor
from cargoship.reapi.client import OCTETS, message_digest
from cargoship.reapi.schema import message_class


class Input(Struct, frozen=True):
    """A file that an action finds."""

    blob: Blob
    is_executable: bool = False


class Directory(Struct):
    """A folder of an action's files; one that several actions have is described once."""

    files: dict[str, Input] = field(default_factory=dict)
    folders: dict[str, Directory] = field(default_factory=dict)
    _made: BytesBlob | None = None

    def add(self, path: str, file: Input) -> None:
        """Put a file at a relative path without `.` and `..`; it must not have been described yet."""
        folder, _, name = path.rpartition("/")
        self.folder(folder).files[name] = file

    def folder(self, path: str) -> Directory:
        """The folder at a relative path, made if need be; an empty path is this one."""
        found = self
        for part in path.split("/") if path else ():
            found = found.folders.setdefault(part, Directory())
        return found

    def described(self) -> BytesBlob:
        """The message of this folder; afterwards it must not be changed."""
        if self._made is None:
            made = message_class("Directory")()
            for name, file in sorted(self.files.items(), key=lambda each: each[0].encode()):
                made.files.add(name=name, digest=message_digest(file.blob.descriptor), is_executable=file.is_executable)
            for name, folder in sorted(self.folders.items(), key=lambda each: each[0].encode()):
                made.directories.add(name=name, digest=message_digest(folder.described().descriptor))
            self._made = message_blob(made)
        return self._made

    def blobs(self) -> Iterator[Blob]:
        """The files and the messages of it, and of all below."""
        yield self.described()
        for file in self.files.values():
            yield file.blob
        for folder in self.folders.values():
            yield from folder.blobs()


class Action(Struct, frozen=True):
    """Something to be run: its digest names all that goes into it."""

    descriptor: Descriptor
    described: tuple[BytesBlob, ...]
    """The messages of the action and of its command; those of its files are their folder's."""


def plain_action(arguments: Sequence[str], outputs: Sequence[str]) -> tuple[Descriptor, tuple[BytesBlob, ...]]:
    """An action without input files: its digest, and the blobs that describe it. Raises ToolMissing."""
    root = Directory()
    action = action_of(arguments, outputs, root)
    return action.descriptor, (action.described[0], root.described(), action.described[1])


def action_of(
    arguments: Sequence[str],
    outputs: Sequence[str],
    root: Directory,
    *,
    env: Mapping[str, str] | None = None,
    platform: Sequence[tuple[str, str]] = (),
) -> Action:
    """An action in the folder `root`, which its output paths are relative to. Raises ToolMissing.

    `platform` are properties of the workers that may run it, as their operators name them.
    """
    command = message_class("Command")(arguments=arguments, output_paths=sorted(outputs))
    for name, value in sorted((env or {}).items()):
        command.environment_variables.add(name=name, value=value)
    described = message_blob(command)
    made = message_class("Action")(
        command_digest=message_digest(described.descriptor),
        input_root_digest=message_digest(root.described().descriptor),
    )
    for name, value in sorted(platform):
        made.platform.properties.add(name=name, value=value)
    action = message_blob(made)
    return Action(action.descriptor, (described, action))


def message_blob(message: Any) -> BytesBlob:  # noqa: ANN401 - made at run time
    """A message as a blob."""
    data: bytes = message.SerializeToString(deterministic=True)
    return BytesBlob.of(OCTETS, data)
