"""Actions as messages: what would be run, on which files. Pure; the same bytes for the same action."""

from __future__ import annotations

from collections.abc import Sequence

from cargoship.oci.descriptor import BytesBlob, Descriptor
from cargoship.reapi.client import OCTETS
from cargoship.reapi.schema import message_class


def plain_action(arguments: Sequence[str], outputs: Sequence[str]) -> tuple[Descriptor, tuple[BytesBlob, ...]]:
    """An action without input files: its digest, and the blobs that describe it. Raises ToolMissing."""
    digest = message_class("Digest")
    command = message_class("Command")(arguments=arguments, output_paths=sorted(outputs))
    described = [_blob(command), _blob(message_class("Directory")())]
    named = [digest(hash=each.descriptor.digest.hex, size_bytes=each.descriptor.size_bytes) for each in described]
    action = _blob(message_class("Action")(command_digest=named[0], input_root_digest=named[1]))
    return action.descriptor, (*described, action)


def _blob(message: object) -> BytesBlob:
    data: bytes = message.SerializeToString(deterministic=True)  # type: ignore[attr-defined]
    return BytesBlob.of(OCTETS, data)
