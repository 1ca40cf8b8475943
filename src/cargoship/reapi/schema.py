"""The messages of the protocol that are used here, as classes of protobuf that are made at run time.

They are described by the table below: names, numbers and types of fields as the specifications have them. What is not
in it is passed over when a message is read. Enumerations are numbers here, which is what they are on the wire.

- build/bazel/remote/execution/v2/remote_execution.proto of https://github.com/bazelbuild/remote-apis
- google/bytestream/bytestream.proto, google/longrunning/operations.proto, google/rpc/{status,error_details}.proto of
  https://github.com/googleapis/googleapis
"""

from __future__ import annotations

import functools
import re
import threading
from typing import Any

from cargoship.errors import ToolMissing

_REAPI = "build.bazel.remote.execution.v2"
SHA256 = 1
"""DigestFunction.Value."""

_TABLE = """
Digest: hash=1 string, size_bytes=2 int64
Command: arguments=1 string*, environment_variables=2 Variable*, output_paths=7 string*
Variable: name=1 string, value=2 string
Action: command_digest=1 Digest, input_root_digest=2 Digest, platform=10 Platform
Platform: properties=1 Variable*
Directory: files=1 FileNode*, directories=2 DirectoryNode*
FileNode: name=1 string, digest=2 Digest, is_executable=4 bool
DirectoryNode: name=1 string, digest=2 Digest
OutputFile: path=1 string, digest=2 Digest
OutputDirectory: path=1 string, tree_digest=3 Digest
Tree: root=1 Directory, children=2 Directory*
ActionResult: output_files=2 OutputFile*, output_directories=3 OutputDirectory*, exit_code=4 int32,
    stdout_raw=5 bytes, stdout_digest=6 Digest, stderr_raw=7 bytes, stderr_digest=8 Digest
ExecuteRequest: instance_name=1 string, skip_cache_lookup=3 bool, action_digest=6 Digest, digest_function=9 int32
ExecuteResponse: result=1 ActionResult, cached_result=2 bool, status=3 Status
Operation: name=1 string, done=3 bool, error=4 Status, response=5 Any
CancelOperationRequest: name=1 string
Empty: -
GetActionResultRequest: instance_name=1 string, action_digest=2 Digest, digest_function=6 int32
UpdateActionResultRequest: instance_name=1 string, action_digest=2 Digest, action_result=3 ActionResult,
    digest_function=5 int32
FindMissingBlobsRequest: instance_name=1 string, blob_digests=2 Digest*, digest_function=3 int32
FindMissingBlobsResponse: missing_blob_digests=2 Digest*
BatchUpdateBlobsRequest: instance_name=1 string, requests=2 BlobUpdate*, digest_function=5 int32
BlobUpdate: digest=1 Digest, data=2 bytes, compressor=3 int32
BatchUpdateBlobsResponse: responses=1 BlobUpdated*
BlobUpdated: digest=1 Digest, status=2 Status
GetCapabilitiesRequest: instance_name=1 string
ServerCapabilities: cache_capabilities=1 CacheCapabilities
CacheCapabilities: digest_functions=1 int32*, action_cache_update_capabilities=2 ActionCacheUpdateCapabilities,
    max_batch_total_size_bytes=4 int64, max_cas_blob_size_bytes=8 int64
ActionCacheUpdateCapabilities: update_enabled=1 bool
RequestMetadata: tool_details=1 ToolDetails, action_id=2 string, tool_invocation_id=3 string
ToolDetails: tool_name=1 string, tool_version=2 string
ReadRequest: resource_name=1 string, read_offset=2 int64, read_limit=3 int64
ReadResponse: data=10 bytes
WriteRequest: resource_name=1 string, write_offset=2 int64, finish_write=3 bool, data=10 bytes
WriteResponse: committed_size=1 int64
Status: code=1 int32, message=2 string, details=3 Any*
Any: type_url=1 string, value=2 bytes
Duration: seconds=1 int64, nanos=2 int32
RetryInfo: retry_delay=1 Duration
"""
_MESSAGE = re.compile(r"^(\w+): ((?:.|\n    )+)$", re.MULTILINE)
_FIELD = re.compile(r"(\w+)=(\d+) (\w+)(\*?)")
_LOCK = threading.Lock()
_SCALARS = ("string", "bytes", "bool", "int32", "int64")

METHODS = {
    "GetCapabilities": (f"{_REAPI}.Capabilities", "GetCapabilitiesRequest", "ServerCapabilities"),
    "FindMissingBlobs": (
        f"{_REAPI}.ContentAddressableStorage",
        "FindMissingBlobsRequest",
        "FindMissingBlobsResponse",
    ),
    "BatchUpdateBlobs": (
        f"{_REAPI}.ContentAddressableStorage",
        "BatchUpdateBlobsRequest",
        "BatchUpdateBlobsResponse",
    ),
    "GetActionResult": (f"{_REAPI}.ActionCache", "GetActionResultRequest", "ActionResult"),
    "UpdateActionResult": (f"{_REAPI}.ActionCache", "UpdateActionResultRequest", "ActionResult"),
    "Execute": (f"{_REAPI}.Execution", "ExecuteRequest", "Operation"),
    "CancelOperation": ("google.longrunning.Operations", "CancelOperationRequest", "Empty"),
    "Read": ("google.bytestream.ByteStream", "ReadRequest", "ReadResponse"),
    "Write": ("google.bytestream.ByteStream", "WriteRequest", "WriteResponse"),
}
"""The service of each method, and the messages that it takes and gives."""


@functools.cache
def message_class(name: str) -> Any:  # noqa: ANN401 - made at run time: no checker knows its fields
    """The class of a message; raises ToolMissing without the extra."""
    try:
        from google.protobuf import message_factory  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise missing_extra() from error
    # classes of two pools do not go together: of threads that begin at once, one makes it
    with _LOCK:
        return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"cargoship.reapi.{name}"))


def missing_extra() -> ToolMissing:
    """The error for a machine without the libraries."""
    return ToolMissing(
        "a Remote Execution server needs the libraries grpcio and protobuf",
        hint="install them with `pip install 'cargoship[remote]'`",
    )


@functools.cache
def _pool() -> Any:  # noqa: ANN401
    from google.protobuf import descriptor_pb2, descriptor_pool  # noqa: PLC0415 - an extra

    kinds = descriptor_pb2.FieldDescriptorProto
    # a package and a pool of its own: generated classes of other libraries stay as they are
    file = descriptor_pb2.FileDescriptorProto(name="cargoship/reapi.proto", package="cargoship.reapi", syntax="proto3")
    for name, fields in _MESSAGE.findall(_TABLE):
        message = file.message_type.add(name=name)
        for field, number, kind, many in _FIELD.findall(fields):
            added = message.field.add(
                name=field,
                number=int(number),
                label=kinds.LABEL_REPEATED if many else kinds.LABEL_OPTIONAL,
            )
            if kind in _SCALARS:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
            else:
                added.type = kinds.TYPE_MESSAGE
                added.type_name = f".cargoship.reapi.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool
