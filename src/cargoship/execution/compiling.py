"""One call of rustc on a worker: what it needs is sent, and what comes back is put where cargo looks for it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from cargoship.errors import RemoteFailed
from cargoship.execution.call import RustcCall, StaysHere
from cargoship.execution.crate_reads import CrateReads, reads_of_crate
from cargoship.execution.digests import ContentDigests
from cargoship.execution.inputs import CallInputs, moved_variables, variables
from cargoship.execution.linking import NAMES, WORDS, Unlinked, unlinked
from cargoship.execution.room import Room
from cargoship.execution.rust_files import RustFiles
from cargoship.execution.script import (
    FILES,
    LINKED,
    RUST,
    SCRIPT,
    SEEN,
    TEMPORARY,
    WATCH,
    linker_of,
    names_worker,
    script_of,
)
from cargoship.execution.watched import seen_there
from cargoship.oci.descriptor import BytesBlob, Descriptor
from cargoship.reapi.actions import Action, Directory, Input, action_of
from cargoship.reapi.client import OCTETS
from cargoship.reapi.execution import ActionOutcome, Executor
from cargoship.unitcache.watching.records import Event

_OUTPUT_BYTES_MAX = 1 << 30
_HELD_BYTES_MAX = 1 << 30
"""Of all results that are in memory at once; few calls make more than a hundredth of it."""
_RECORD_BYTES_MAX = 8 << 20
_TIMEOUT_S = 3600.0
_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


class Made(Struct, frozen=True):
    """A call that was made elsewhere, and whose files are in their places."""

    stderr: bytes
    dep_info: CrateReads
    cached: bool
    """A worker had compiled it before."""
    seen: tuple[Event, ...] = ()
    """What its macros have looked at, as if it had been here."""
    unlinked: Unlinked | None = None
    """What is to be linked here: of a program its objects alone are there."""


class RemoteCompiler(Struct, frozen=True):
    """Compiles with workers. Safe to share between threads."""

    executor: Executor
    rust: RustFiles
    digests: ContentDigests
    inputs: CallInputs
    platform: tuple[tuple[str, str], ...] = ()
    """What the workers' operators call those that can run x86-64 Linux programs."""
    runs: bool = True
    """Whether workers may be given work; else only what they have done before is taken."""
    plain: bool = False
    """Whether what is compiled for this machine goes too: where nothing has replaced paths its metadata is another one
    than here anyway, and the code is the same."""
    watch: Path | None = None
    """The library that sees what macros look at; None: what may use macros stays here."""
    linker: Path | None = None
    """The program that keeps what a linker is given; None: programs stay here."""
    room: Room = field(default_factory=lambda: Room(_HELD_BYTES_MAX))

    def compile(self, call: RustcCall, held: contextlib.ExitStack) -> Made:
        """Make a call; what it holds of this machine's memory is given back at the end of `held`.

        Raises StaysHere where its outcome might be another one here.
        Raises RemoteFailed, ContentInvalid, Stopped for the cluster's reasons, and OSError.
        """
        if not (call.target or self.plain):
            raise StaysHere("it is compiled for this machine")
        found = variables(call)
        files = self.inputs.files(call)
        rust = self.rust.folder(call.target, call.sysroot)
        if self.watch is None and _may_use_macros(files):
            raise StaysHere("it may use procedural macros, and what they look at would not be seen")
        if call.is_program and self.linker is None:
            raise StaysHere("what its linker is given would not be kept")
        unlike: frozenset[str] = frozenset()
        for _ in range(2):
            root, action = self._action(call, found, files, rust)
            outcome = self._outcome(action, root)
            if outcome.code != 0:
                raise StaysHere(f"rustc ended with {outcome.code} there")
            # before the next try, which holds what it has made itself
            held.close()
            held.enter_context(self.room.taken(_size(outcome)))
            made = self._fetched(call, outcome)
            left = self._unlinked(call, outcome, files) if call.is_program else None
            seen = self._seen(call, outcome, files, found)
            unlike = _unlike(call, made.dep_info)
            if not unlike:
                made.place()
                return Made(made.stderr, made.dep_info, outcome.cached, seen, left)
            # what it looks at is known now
            found = {**found, **{name: call.env[name] for name in unlike if name in call.env}}
        raise StaysHere(f"it looks at {', '.join(sorted(unlike))}, which is something else there")

    def _outcome(self, action: Action, root: Directory) -> ActionOutcome:
        if self.runs:
            return self.executor.run(action, root, timeout_s=_TIMEOUT_S)
        known = self.executor.known(action)
        if known is None:
            raise StaysHere("no worker has compiled it before, and this run gives them no work")
        return known

    def _action(
        self, call: RustcCall, found: Mapping[str, str], files: Mapping[str, None], rust: Directory
    ) -> tuple[Directory, Action]:
        root = Directory()
        root.folders[RUST] = rust
        for path in files:
            root.add(f"{FILES}{path}", Input(self.digests.blob(path)))
        # folders that must be there
        root.folder(f"{FILES}{call.cwd}".rstrip("/"))
        root.folder(f"{FILES}{call.out_dir}")
        watched = _may_use_macros(files)
        sources = self.rust.sources(call.sysroot)
        script = script_of(call, found, moved_variables(found), sources=sources, watched=watched)
        root.add(SCRIPT, Input(BytesBlob.of(OCTETS, script)))
        outputs = [f"{FILES}{path}" for path in call.outputs]
        if watched and self.watch is not None:
            root.add(WATCH, Input(self.digests.remembered(str(self.watch))))
            root.folder(SEEN)
            outputs.append(SEEN)
        if call.is_program and self.linker is not None:
            stand_in = Input(self.digests.remembered(str(self.linker)), is_executable=True)
            root.add(linker_of(call), stand_in)
            root.folder(LINKED)
            root.folder(TEMPORARY)
            outputs.append(LINKED)
        return root, action_of(("/bin/sh", SCRIPT), outputs, root, env=_ENV, platform=self.platform)

    def _seen(
        self, call: RustcCall, outcome: ActionOutcome, files: Mapping[str, None], given: Mapping[str, str]
    ) -> tuple[Event, ...]:
        """What macros have looked at, where there may be some."""
        if not _may_use_macros(files):
            return ()
        noted = outcome.folders.get(SEEN)
        if noted is None or len(noted) != 1:
            raise StaysHere("what its macros have looked at was not seen")
        (record,) = noted.values()
        if record.size_bytes > _RECORD_BYTES_MAX:
            raise StaysHere("what its macros have looked at is more than can be kept")
        return seen_there(
            self._read(record),
            call,
            root=os.fsdecode(_root(outcome)),
            files=files,
            given=given,
            pinned=self.inputs.is_pinned(call),
        )

    def _unlinked(self, call: RustcCall, outcome: ActionOutcome, files: Mapping[str, None]) -> Unlinked:
        """What the linker of a program was given there."""
        noted = outcome.folders.get(LINKED, {})
        number = len(noted) - 2
        if number < 0 or noted.keys() != {WORDS, NAMES, *map(str, range(number))}:
            raise StaysHere("what its linker was given was not kept as a whole")
        if max(noted[WORDS].size_bytes, noted[NAMES].size_bytes) > _RECORD_BYTES_MAX:
            raise StaysHere("its linker was given more than can be kept")
        if sum(each.size_bytes for each in noted.values()) > _OUTPUT_BYTES_MAX:
            raise StaysHere(f"its objects have more than {_OUTPUT_BYTES_MAX >> 20} MiB")
        return unlinked(
            call, self._read(noted[WORDS]), self._read(noted[NAMES]),
            [self._read(noted[str(each)]) for each in range(number)],
            root=os.fsdecode(_root(outcome)), sysroot=self.rust.sysroot(call.sysroot), inputs=files,
        )  # fmt: skip

    def _read(self, descriptor: Descriptor) -> bytes:
        data = self.executor.client.read(descriptor)
        if data is None:
            raise RemoteFailed(f"{self.executor.client.channel.name} has lost what it has just made")
        return data

    def _fetched(self, call: RustcCall, outcome: ActionOutcome) -> _Fetched:
        there = _root(outcome) + f"/{FILES}".encode()
        made = {path: outcome.outputs.get(f"{FILES}{path}") for path in call.outputs}
        wanted = {path: each for path, each in made.items() if each is not None}
        if len(wanted) < len(made) or sum(each.size_bytes for each in wanted.values()) > _OUTPUT_BYTES_MAX:
            raise RemoteFailed(f"{self.executor.client.channel.name} did not make what it was asked for")
        files = {}
        for path, descriptor in wanted.items():
            data = self._read(descriptor)
            if path == call.dep_info:
                data = data.replace(there, b"")
            elif names_worker(data):
                raise StaysHere("a path of the worker's would be in it")
            files[path] = data
        return _Fetched(files, outcome.stderr.replace(there, b""), reads_of_crate(files[call.dep_info]))


class _Fetched(Struct, frozen=True):
    files: Mapping[str, bytes]
    stderr: bytes
    dep_info: CrateReads

    def place(self) -> None:
        """Put the files where cargo looks for them, each as a whole; raises OSError."""
        for path, data in self.files.items():
            handle, unfinished = tempfile.mkstemp(prefix=".cargoship-", dir=Path(path).parent)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(data)
                    # a temporary file is nobody else's; this one is as rustc would have made it
                    os.fchmod(stream.fileno(), 0o644)
                os.replace(unfinished, path)  # noqa: PTH105
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(unfinished)  # noqa: PTH108
                raise


def _may_use_macros(files: Mapping[str, None]) -> bool:
    return any(path.endswith(".so") for path in files)


def _root(outcome: ActionOutcome) -> bytes:
    """Where an action ran, as its script says."""
    return outcome.stdout.partition(b"\n")[0].rstrip(b"/")


def _size(outcome: ActionOutcome) -> int:
    """Bytes of all that comes from a worker; one that does not fit is refused when it is asked for."""
    folders = (each for files in outcome.folders.values() for each in files.values())
    size = sum(each.size_bytes for each in (*outcome.outputs.values(), *folders))
    return min(size, _OUTPUT_BYTES_MAX)


def _unlike(call: RustcCall, made: CrateReads) -> frozenset[str]:
    """Variables that the crate has looked at, and that have another value here."""
    return frozenset(name for name, value in made.variables.items() if value != call.env.get(name))
