# ruff: noqa: E501 - the cases are one line each
"""Images that others made or attackers would, small and by hand: what engines do with them is what `verify` has to say.

Each is layers of a tar of its own making and a config, written as an archive that `docker load`, `podman load` and
`cargoship verify` read. The program ends with 42, so that it cannot be taken for an engine's own failure.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENDS_WITH = 42
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
PLAIN = "application/vnd.oci.image.layer.v1.tar"


def program() -> bytes:
    """A static program for x86-64 that ends with 42: mov edi, 42; mov eax, 60; syscall (elf(5))."""
    code = b"\xbf\x2a\x00\x00\x00\xb8\x3c\x00\x00\x00\x0f\x05"
    start, size = 0x400000, 64 + 56 + len(code)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, start + 120, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, size, size, 0x1000) + code


PROGRAM = program()


@dataclass(frozen=True)
class Member:
    """An entry of a layer."""

    name: str
    kind: bytes = tarfile.REGTYPE
    content: bytes = b""
    mode: int = 0o755
    link: str = ""
    uid: int = 0
    gid: int = 0
    pax: dict[str, str] = field(default_factory=dict)


def file(
    name: str, content: bytes = PROGRAM, mode: int = 0o755, *, uid: int = 0, gid: int = 0,
    pax: dict[str, str] | None = None,
) -> Member:  # fmt: skip
    """A file; by default the program."""
    return Member(name, content=content, mode=mode, uid=uid, gid=gid, pax=pax or {})


def folder(name: str, mode: int = 0o755, *, uid: int = 0) -> Member:
    """A folder."""
    return Member(name, tarfile.DIRTYPE, mode=mode, uid=uid)


def link(name: str, to: str) -> Member:
    """A symbolic link."""
    return Member(name, tarfile.SYMTYPE, mode=0o777, link=to)


def same(name: str, as_what: str) -> Member:
    """A hard link."""
    return Member(name, tarfile.LNKTYPE, link=as_what)


def tar(*members: Member, form: int = tarfile.PAX_FORMAT) -> bytes:
    """The bytes of an archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for each in members:
            entry = tarfile.TarInfo(each.name)
            entry.type, entry.mode, entry.linkname = each.kind, each.mode, each.link
            entry.uid, entry.gid, entry.size = each.uid, each.gid, len(each.content)
            entry.pax_headers = dict(each.pax)
            archive.addfile(entry, io.BytesIO(each.content))
    return buffer.getvalue()


@dataclass(frozen=True)
class Blob:
    """A layer as it lies in a registry: its bytes, what it is called, and what is in it."""

    data: bytes
    media_type: str
    inside: bytes


def packed(inside: bytes) -> Blob:
    """In gzip, as nearly all are."""
    return Blob(gzip.compress(inside, mtime=0), GZIP, inside)


@dataclass(frozen=True)
class Case:
    """An image: its layers, lowest first, and how it is run."""

    name: str
    layers: Sequence[bytes | Blob]
    run: dict[str, Any] = field(default_factory=dict)
    starts: bool = True
    """What the engines do with it."""
    unlike: Sequence[str] = ()
    """Who says otherwise, an engine or verify, and why."""
    architecture: str = "amd64"

    def blobs(self) -> list[Blob]:
        """The layers as they lie in a registry."""
        return [each if isinstance(each, Blob) else packed(each) for each in self.layers]

    def config(self) -> bytes:
        """The image's config."""
        diff_ids = [f"sha256:{hashlib.sha256(each.inside).hexdigest()}" for each in self.blobs()]
        document = {
            "architecture": self.architecture, "os": "linux", "config": {"Entrypoint": ["/app/web"], **self.run},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created": "2023-01-01T00:00:00Z", "created_by": self.name} for _ in diff_ids],
        }  # fmt: skip
        return json.dumps(document).encode()


def write_images(path: Path, cases: Mapping[str, Case]) -> None:
    """Images, by their names, in one archive: an image layout, and what `docker load` and `podman load` read."""
    blobs: dict[str, bytes] = {}

    def put(data: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    entries, loaded = [], []
    for name, case in cases.items():
        config = put(case.config(), "application/vnd.oci.image.config.v1+json")
        layers = [put(each.data, each.media_type) for each in case.blobs()]
        manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": layers}
        names = {"org.opencontainers.image.ref.name": name, "io.containerd.image.name": name}
        entries.append({**put(json.dumps(manifest).encode(), _MANIFEST), "annotations": names})
        loaded.append({"Config": _path(config), "RepoTags": [name], "Layers": [_path(each) for each in layers]})
    documents = {
        "oci-layout": {"imageLayoutVersion": "1.0.0"},
        "index.json": {"schemaVersion": 2, "manifests": entries},
        "manifest.json": loaded,
    }
    with tarfile.open(path, "w") as archive:
        for name, data in [*((name, json.dumps(each).encode()) for name, each in documents.items()), *blobs.items()]:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def _path(descriptor: dict[str, Any]) -> str:
    return "blobs/sha256/" + str(descriptor["digest"]).removeprefix("sha256:")


def _scripted(first: str) -> tuple[Member, ...]:
    return (file("bin/sh"), file("app/web", first.encode()))


APP = (folder("app"), file("app/web"))
ONE = tar(*APP)


def alone(number: int) -> bytes:
    """As ONE, and of no other image: an engine unpacks what has the same content once, in whatever form it comes first."""
    return tar(*APP, file("app/number", str(number).encode(), 0o644))


PASSWD = file("etc/passwd", b"root:x:0:0::/:\nweb:x:1234:1234::/:\n", 0o644)
GROUP = file("etc/group", b"root:x:0:\nweb:x:1234:\n", 0o644)


def raw_entry(change: Callable[[bytearray], None]) -> bytes:
    """An archive of the program whose header is changed by hand, with a checksum that is right again."""
    data = bytearray(tar(file("app/web"), form=tarfile.USTAR_FORMAT))
    change(data)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


def _ends(data: bytes, blocks: int) -> bytes:
    """An archive with so many blocks of zeros at its end, instead of all those that tar writes."""
    return data.rstrip(b"\0").ljust(-(-len(data.rstrip(b"\0")) // 512) * 512, b"\0") + bytes(512 * blocks)


def _at_place(data: bytearray, place: int, text: bytes) -> None:
    data[place : place + len(text)] = text


CORPUS: tuple[Case, ...] = (
    Case("one layer", [ONE]),
    Case("two layers", [tar(folder("app")), tar(file("app/web"))]),
    Case("folders that no entry makes", [tar(file("app/web"))]),
    Case("names that begin with ./", [tar(folder("./app"), file("./app/web"))]),
    Case("names that begin with /", [tar(file("/app/web"))]),
    Case("names with // and .", [tar(file("app//./web"))]),
    Case("the root itself", [tar(folder("./"), *APP)]),
    Case("ustar", [tar(*APP, form=tarfile.USTAR_FORMAT)]),
    Case("gnu", [tar(*APP, form=tarfile.GNU_FORMAT)]),
    Case("gnu long name", [tar(file(f"{'long/' * 40}web"), link("app", "/" + "long/" * 40), form=tarfile.GNU_FORMAT)]),
    Case("pax long name", [tar(file(f"{'long/' * 40}web"), link("app", "/" + "long/" * 40))]),
    Case("pax records", [tar(file("app/web", pax={"comment": "x", "mtime": "1.5", "SCHILY.xattr.user.a": "b"}))]),
    Case("names that are not ASCII", [tar(file("äpp/wéb"))], {"Entrypoint": ["/äpp/wéb"]}),
    # types that lie, and layers with nothing in them
    Case("a plain tar under the type of gzip", [Blob(alone(1), GZIP, alone(1))]),
    Case("gzip under the type of a plain tar", [Blob(gzip.compress(alone(2), mtime=0), PLAIN, alone(2))], starts=False, unlike=("docker: it looks at the bytes", "podman: it looks at the bytes")),
    Case("a plain tar", [Blob(alone(3), PLAIN, alone(3))]),
    Case("gzip in two members", [Blob(gzip.compress(alone(4)[:700], mtime=0) + gzip.compress(alone(4)[700:], mtime=0), GZIP, alone(4))]),
    Case("zeros after gzip", [Blob(gzip.compress(alone(9), mtime=0) + bytes(512), GZIP, alone(9))], starts=False),
    Case("an empty layer of zeros", [ONE, bytes(1024)]),
    Case("an empty layer of nothing in gzip", [ONE, b""]),
    Case("an empty layer of ten thousand zeros", [ONE, bytes(10240)]),
    Case("one block of zeros at the end", [_ends(ONE, 1)]),
    Case("no zeros at the end", [_ends(ONE, 0)]),
    # hard links
    Case("hard link in its own layer", [tar(file("app/one"), same("app/web", "app/one"))]),
    Case("hard link by ./", [tar(file("app/one"), same("app/web", "./app/one"))]),
    Case("hard link by /", [tar(file("app/one"), same("app/web", "/app/one"))]),
    Case("hard link to a file of a lower layer", [tar(file("app/one")), tar(same("app/web", "app/one"))], starts=False),
    Case("hard link to what is not there", [tar(*APP, same("app/other", "app/none"))], starts=False),
    Case("hard link to what comes later", [tar(folder("app"), same("app/web", "app/one"), file("app/one"))],
         starts=False),
    Case("hard link to the root", [tar(*APP, same("app/other", "/"))], starts=False),
    Case("hard link to a folder", [tar(*APP, folder("x"), same("app/other", "x"))], starts=False),
    Case("hard link to a link", [tar(file("app/one"), link("app/two", "one"), same("app/web", "app/two"))]),
    Case("hard link that leads out", [tar(*APP, same("app/other", "../../etc/passwd"))], starts=False),
    # links
    Case("link to the program", [tar(file("usr/web"), link("app/web", "/usr/web"))]),
    Case("link to the program by ..", [tar(file("usr/web"), link("app/web", "../usr/web"))]),
    Case("link that leads above the root", [tar(file("usr/web"), link("app/web", "../../../usr/web"))]),
    Case("link to nothing", [tar(link("app/web", "/usr/none"))], starts=False),
    Case("link to itself", [tar(link("app/web", "/app/web"))], starts=False),
    Case("folder that is a link", [tar(folder("usr/app"), file("usr/app/web"), link("app", "usr/app"))]),
    Case("file below a link in one layer", [tar(folder("usr/app"), link("app", "usr/app"), file("app/web"))]),
    Case("file below a link of a lower layer", [tar(folder("usr/bin"), file("usr/bin/one"), link("app", "usr/bin")),
                                                tar(file("app/web"))]),
    Case("what is behind a link that a file of an upper layer went through",
         [tar(folder("usr/bin"), file("usr/bin/sh"), link("bin", "usr/bin")), tar(file("bin/web"))],
         {"Entrypoint": ["/bin/sh"]}, starts=False),
    Case("a folder over a link",
         [tar(folder("usr/app"), file("usr/app/web"), link("app", "usr/app")), tar(folder("app"))],
         starts=False),
    Case("a link over a folder", [tar(*APP), tar(file("usr/web"), link("app", "usr"))]),
    Case("a file over a folder", [tar(*APP), tar(file("app"))], starts=False),
    Case("a folder over a file", [tar(file("app")), tar(*APP)]),
    # whiteouts
    Case("program taken away", [ONE, tar(Member("app/.wh.web"))], starts=False),
    Case("program taken away and put back", [ONE, tar(Member("app/.wh.web")), tar(file("app/web"))]),
    Case("program taken away and put back in one layer", [ONE, tar(Member("app/.wh.web"), file("app/web"))],
         unlike=("docker: with fuse-overlayfs, which keeps whiteouts as files, one hides what is beside it",)),
    Case("folder taken away", [ONE, tar(Member(".wh.app"))], starts=False),
    Case("folder emptied", [ONE, tar(folder("app"), Member("app/.wh..wh..opq"))], starts=False),
    Case("folder emptied and filled", [ONE, tar(folder("app"), Member("app/.wh..wh..opq"), file("app/web"))]),
    Case("something else taken away", [ONE, tar(Member(".wh.etc"))]),
    # rights and users
    Case("a program without the right to be executed", [tar(file("app/web", mode=0o644))], starts=False),
    Case("a program for its owner alone", [tar(file("app/web", mode=0o700))], {"User": "1000"}, starts=False, unlike=("docker 26: it opens the program with CAP_DAC_OVERRIDE, which --cap-drop takes away",)),
    Case("a program for its owner, who runs it", [tar(file("app/web", mode=0o700, uid=1000))], {"User": "1000"}),
    Case("a program for its group", [tar(file("app/web", mode=0o710, gid=1000))], {"User": "1000:1000"}),
    Case("a program that may not be read", [tar(file("app/web", mode=0o111))], {"User": "1000"}),
    Case("a folder for its owner alone", [tar(folder("app", 0o700), file("app/web"))], {"User": "1000"}, starts=False, unlike=("docker 26: it opens the program with CAP_DAC_OVERRIDE, which --cap-drop takes away",)),
    Case("a folder for its owner, who runs it", [tar(folder("app", 0o700, uid=1000), file("app/web"))],
         {"User": "1000"}),
    Case("a folder that nobody may enter, and root", [tar(folder("app", 0o000), file("app/web"))]),
    Case("a folder behind a link for its owner alone",
         [tar(folder("usr/x", 0o700), file("usr/x/web"), link("app", "usr/x"))], {"User": "1000"}, starts=False, unlike=("docker 26: it opens the program with CAP_DAC_OVERRIDE, which --cap-drop takes away",)),
    Case("a root for its owner alone", [tar(folder("./", 0o700), *APP)], {"User": "1000"}),
    Case("setuid", [tar(file("app/web", mode=0o4755))], {"User": "1000"}),
    Case("user by name", [tar(*APP, PASSWD)], {"User": "web"}),
    Case("user by name that nobody knows", [tar(*APP, PASSWD)], {"User": "nobody"}, starts=False),
    Case("user by name without a list", [tar(*APP)], {"User": "web"}, starts=False),
    Case("user and group by name", [tar(*APP, PASSWD, GROUP)], {"User": "web:web"}),
    Case("group by name that nobody knows", [tar(*APP, PASSWD, GROUP)], {"User": "web:x"}, starts=False),
    Case("user by number", [ONE], {"User": "12345:54321"}),
    # entrypoints and folders
    Case("entrypoint by name on the path", [tar(file("usr/bin/web"))], {"Entrypoint": ["web"]}),
    Case("entrypoint by name on a path of its own", [ONE], {"Entrypoint": ["web"], "Env": ["PATH=/x:/app"]}),
    Case("entrypoint by name that is nowhere", [ONE], {"Entrypoint": ["web"]}, starts=False),
    Case("entrypoint with .. in it", [tar(folder("x"), *APP)], {"Entrypoint": ["/x/../app/web"]}),
    Case("relative entrypoint", [ONE], {"Entrypoint": ["app/web"]}),
    Case("relative entrypoint with ..", [tar(folder("x"), *APP)], {"Entrypoint": ["x/../app/web"]}),
    Case("entrypoint from the working folder", [ONE], {"Entrypoint": ["./web"], "WorkingDir": "/app"}),
    Case("command alone", [ONE], {"Entrypoint": None, "Cmd": ["/app/web"]}),
    Case("entrypoint through what is not there", [ONE], {"Entrypoint": ["/none/../app/web"]}, starts=False),
    Case("entrypoint that is a folder", [ONE], {"Entrypoint": ["/app"]}, starts=False),
    Case("working folder that is not there", [ONE], {"WorkingDir": "/data/x"}),
    Case("working folder that is a file", [ONE], {"WorkingDir": "/app/web"}, starts=False),
    Case("working folder below a file", [ONE], {"WorkingDir": "/app/web/x"}, starts=False),
    Case("working folder that is relative", [ONE], {"WorkingDir": "app"}, starts=False),
    Case("working folder for its owner alone", [tar(*APP, folder("x", 0o700))], {"WorkingDir": "/x", "User": "1000"}),
    Case("working folder that is a link", [tar(*APP, folder("x"), link("y", "x"))], {"WorkingDir": "/y"}),
    Case("working folder that is a link to nothing", [tar(*APP, link("y", "x"))], {"WorkingDir": "/y"},
         unlike=("podman: it makes the folder under the link's name, docker where the link leads",)),
    Case("script", [tar(*_scripted("#!/bin/sh\n"))]),
    Case("script for what is not there", [tar(*_scripted("#!/bin/bash\n"))], starts=False),
    Case("script without a first line", [tar(*_scripted("echo\n"))], starts=False),
    Case("empty program", [tar(file("app/web", b""))], starts=False),
    # other things in layers
    Case("pipe and devices", [tar(*APP, Member("p", tarfile.FIFOTYPE), Member("dev/x", tarfile.CHRTYPE))]),
    Case("entry that leads out", [tar(*APP, file("../x"))],
         unlike=("verify: engines put it below the root; what leads out is refused here, contained or not",)),
    Case("the same file twice", [tar(file("app/web", b"x"), file("app/web"))], starts=False, unlike=("docker 26: containerd lets the later one win",)),
    Case("the same folder twice", [tar(folder("app"), folder("./app/"), file("app/web"))], starts=False, unlike=("docker 26: containerd lets the later one win",)),
    Case("name with .. in it", [tar(file("x/../app/web"))]),
    Case("old type of a file", [raw_entry(lambda data: _at_place(data, 156, b"\0"))]),
    Case("contiguous file", [raw_entry(lambda data: _at_place(data, 156, b"7"))], starts=False),
    Case("125 layers", [ONE, *(tar(file(f"n/{number}", b"x")) for number in range(124))]),
    Case("126 layers", [ONE, *(tar(file(f"n/{number}", b"x")) for number in range(125))], starts=False,
         unlike=("podman: it takes more of them", "docker 26: it takes more of them")),
)  # fmt: skip
