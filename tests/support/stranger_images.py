# ruff: noqa: E501 - the cases are one line each
"""More of the corpus: what registries have of users, links, lists, marks and old archives. As in `image_corpus`."""

from __future__ import annotations

import gzip
import struct
import tarfile

from support.image_corpus import (
    APP,
    GROUP,
    GZIP,
    ONE,
    PASSWD,
    PROGRAM,
    Blob,
    Case,
    Member,
    file,
    folder,
    link,
    raw_entry,
    same,
    tar,
)  # fmt: skip

_BLOCK = 512
_CUT = tar(*APP, file("cut", b"x"))
_FOR_ARM = b"\x20\x05\x80\xd2\xa8\x0b\x80\xd2\x01\x00\x00\xd4"


def elf(machine: int, code: bytes = PROGRAM[120:], *, kind: int = 2, interpreter: bytes = b"") -> bytes:
    """A program for another processor, of another kind, or with an interpreter (elf(5)); else it is PROGRAM."""
    count = 2 if interpreter else 1
    at = 64 + 56 * count
    start, size = 0x400000, at + len(code) + len(interpreter)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, start + at, 64, 0, 0, 64, 56, count, 64, 0, 0)
    loaded = struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, size, size, 0x1000)
    asked = struct.pack("<IIQQQQQQ", 3, 4, at + len(code), 0, 0, len(interpreter), len(interpreter), 1)
    return header + (asked if interpreter else b"") + loaded + code + interpreter


def elf32() -> bytes:
    """A static program for i386 that ends with 42: mov ebx, 42; mov eax, 1; int 0x80."""
    code = b"\xbb\x2a\x00\x00\x00\xb8\x01\x00\x00\x00\xcd\x80"
    start, size = 0x8048000, 52 + 32 + len(code)
    header = b"\x7fELF\x01\x01\x01" + bytes(9)
    header += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, start + 84, 52, 0, 0, 52, 32, 1, 40, 0, 0)
    return header + struct.pack("<IIIIIIII", 1, 0, start, start, size, size, 5, 0x1000) + code


def _capability(bit: int, *, effective: bool = True) -> dict[str, str]:
    """A file's capability as an archive has it (linux/capability.h, version 2)."""
    value = struct.pack("<IIIII", 0x02000000 | effective, 1 << bit, 0, 0, 0)
    return {"SCHILY.xattr.security.capability": value.decode("ascii")}


def _attribute(name: str, value: str) -> dict[str, str]:
    return {f"SCHILY.xattr.{name}": value}


def sparse_of_old() -> bytes:
    """A file of GNU tar's old sparse form, type S: one stretch, which is all of it."""

    def change(data: bytearray) -> None:
        data[156:157] = b"S"
        data[257:265] = b"ustar  \0"
        data[386:410] = b"%011o\0%011o\0" % (0, len(PROGRAM))
        data[483:495] = b"%011o\0" % len(PROGRAM)

    return raw_entry(change)


def _sparse_of_new() -> bytes:
    """The same in form 1.0, in PAX: the list of stretches is the beginning of the content."""
    stretches = b"1\n0\n%d\n" % len(PROGRAM)
    pax = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "app/web",
           "GNU.sparse.realsize": str(len(PROGRAM))}  # fmt: skip
    return tar(file("app/GNUSparseFile.0/web", stretches.ljust(_BLOCK, b"\0") + PROGRAM, pax=pax))


def _sparse_between() -> bytes:
    """The same in form 0.1: the list is a record."""
    pax = {"GNU.sparse.map": f"0,{len(PROGRAM)}", "GNU.sparse.size": str(len(PROGRAM)), "GNU.sparse.numblocks": "1",
           "GNU.sparse.name": "app/web"}  # fmt: skip
    return tar(file("app/web.sparse", PROGRAM, pax=pax))


_FOLLOWS = ("podman: it follows the link, where Docker puts a folder of its own",)


def _typed(kind: bytes) -> bytes:
    """An entry of another type, without content, and the program after it."""
    return tar(Member("other", kind), *APP)


def _script(first: str, *more: Member) -> bytes:
    return tar(file("bin/sh"), *more, file("app/web", first.encode()))


_LIST = (*APP, PASSWD, GROUP)
_WEB = "web:x:1234:1234::/:\n"


def _passwd(text: str) -> bytes:
    return tar(*APP, file("etc/passwd", text.encode(), 0o644))


MORE: tuple[Case, ...] = (
    # programs and scripts
    Case("script with an end of line of Windows", [_script("#!/bin/sh\r\n")], starts=False),
    Case("script with blanks and a word", [_script("#! \t /bin/sh  -e  \n")]),
    Case("script of a script", [_script("#!/app/other\n", file("app/other", b"#!/bin/sh\n"))]),
    Case("script of itself", [_script("#!/app/web\n")], starts=False),
    Case("script by a relative path", [_script("#!bin/sh\n")]),
    Case("script by a relative path from another folder", [_script("#!bin/sh\n")], {"WorkingDir": "/app"}, starts=False),
    Case("script of what may not be executed", [tar(file("bin/sh", mode=0o644), file("app/web", b"#!/bin/sh\n"))],
         starts=False),
    Case("script of a folder", [_script("#!/bin\n")], starts=False),
    Case("script with a first line that is too long", [_script("#!" + "/." * 140 + "/bin/sh\n")], starts=False),
    Case("script with a byte order mark", [_script("\ufeff#!/bin/sh\n")], starts=False),
    Case("script of a link", [_script("#!/bin/bash\n", link("bin/bash", "sh"))]),
    Case("script that may be executed and not read", [_script("#!/bin/sh\n")], {"User": "1000"}),
    # it ends by itself where the machine runs it all the same, by QEMU: mov x0, 41; mov x8, 93; svc 0
    Case("program for another processor", [tar(file("app/web", elf(183, _FOR_ARM)))], starts=False),
    Case("program for i386", [tar(file("app/web", elf32()))], unlike=("verify: a kernel may come without i386, and the image says amd64",)),
    Case("program that is an object", [tar(file("app/web", elf(62, kind=1)))], starts=False),
    Case("program whose loader is not there", [tar(file("app/web", elf(62, interpreter=b"/lib/ld.so\0")))], starts=False),
    Case("program that is cut off", [tar(file("app/web", PROGRAM[:40]))], starts=False),
    Case("program that is a pipe", [tar(folder("app"), Member("app/web", tarfile.FIFOTYPE))], starts=False),
    Case("program that is a device", [tar(folder("app"), Member("app/web", tarfile.CHRTYPE))], starts=False),
    Case("setgid and sticky", [tar(file("app/web", mode=0o7755, gid=5))], {"User": "1000"}),
    Case("capability that containers have", [tar(file("app/web", pax=_capability(10)))], {"User": "1000"}),
    Case("capability that containers lack", [tar(file("app/web", pax=_capability(21)))], {"User": "1000"}, starts=False, unlike=("verify: which capabilities there are is for who runs it to say (--cap-add)",)),
    Case("capability that containers lack, and root", [tar(file("app/web", pax=_capability(21)))], starts=False, unlike=("verify: which capabilities there are is for who runs it to say (--cap-add)",)),
    Case("capability that containers lack and that is not taken", [tar(file("app/web", pax=_capability(21, effective=False)))],
         {"User": "1000"}),
    Case("capabilities of a namespace", [tar(file("app/web", pax=_attribute("security.capability", "\x01\0\0\x03\0\x04" + "\0" * 18)))], {"User": "1000"}),
    Case("capabilities of the first form", [tar(file("app/web", pax=_attribute("security.capability", "\x01\0\0\x01\0\x04" + "\0" * 6)))], starts=False),
    Case("capabilities that are cut off", [tar(file("app/web", pax=_attribute("security.capability", "\x01\0\0\x02\0\x04" + "\0" * 6)))], starts=False),
    Case("capabilities with a flag of nobody's", [tar(file("app/web", pax=_attribute("security.capability", "\x02\0\0\x02\0\x04" + "\0" * 14)))], starts=False),
    Case("attribute of many bytes", [tar(file("app/web", pax=_attribute("user.a", "x" * 70_000)))], starts=False),
    Case("attribute with a long name", [tar(file("app/web", pax=_attribute("user." + "a" * 260, "x")))], starts=False),
    Case("attribute without a name", [tar(file("app/web", pax=_attribute("user.", "x")))], starts=False),
    Case("attribute of no family", [tar(file("app/web", pax=_attribute("own", "x")))]),
    Case("rights that are no list", [tar(file("app/web", pax=_attribute("system.posix_acl_access", "x")))], starts=False),
    Case("label of a security module", [tar(file("app/web", pax=_attribute("security.selinux", "u:r:t:s0")))]),
    # entrypoints
    Case("no entrypoint and no command", [ONE], {"Entrypoint": None}, starts=False, unlike=("verify: it is a base, and said to be one",)),
    Case("entrypoint of nothing", [ONE], {"Entrypoint": [""]}, starts=False),
    Case("entrypoint with a slash at its end", [ONE], {"Entrypoint": ["/app/web/"]}, starts=False),
    Case("entrypoint with slashes", [ONE], {"Entrypoint": ["//app///./web"]}),
    Case("entrypoint in the form of a shell", [tar(file("bin/sh"))], {"Entrypoint": ["/bin/sh", "-c", "exec /app/web"]}),
    Case("entrypoint by name behind one that may not be executed", [tar(file("a/web", mode=0o644), file("b/web"))],
         {"Entrypoint": ["web"], "Env": ["PATH=/a:/b"]}),
    Case("entrypoint by name behind a folder", [tar(folder("a/web"), file("b/web"))],
         {"Entrypoint": ["web"], "Env": ["PATH=/a:/b"]}),
    Case("entrypoint by name behind a link to nothing", [tar(link("a/web", "none"), file("b/web"))],
         {"Entrypoint": ["web"], "Env": ["PATH=/a:/b"]}),
    Case("entrypoint by name on an empty path", [tar(file("usr/bin/web"))], {"Entrypoint": ["web"], "Env": ["PATH="]}, starts=False),
    Case("entrypoint by name on two paths", [ONE], {"Entrypoint": ["web"], "Env": ["PATH=/app", "PATH=/x"]}, starts=False),
    Case("entrypoint by name on a relative path", [ONE], {"Entrypoint": ["web"], "Env": ["PATH=app"]}, starts=False),
    Case("entrypoint by name in the working folder", [ONE], {"Entrypoint": ["web"], "WorkingDir": "/app"}, starts=False),
    Case("entrypoint behind links that lead to each other", [tar(link("a", "b"), link("b", "a"))],
         {"Entrypoint": ["/a/web"]}, starts=False),
    Case("variable without a name", [ONE], {"Env": ["=C:=x"]}, starts=False),
    Case("variables of odd forms", [ONE], {"Env": ["FOO", "A=B=C", "Ü=ü", "A.b-c=1"]}),
    # folders
    Case("working folder with .. in it", [tar(*APP, folder("x"))], {"WorkingDir": "/x/../app/"}),
    Case("working folder that is a link to a file", [tar(*APP, link("y", "app/web"))], {"WorkingDir": "/y"}, starts=False),
    Case("working folder that is a link to itself", [tar(*APP, link("y", "y"))], {"WorkingDir": "/y"}, starts=False),
    Case("working folder that is not there, of a user", [ONE], {"WorkingDir": "/data/x", "User": "1000"}),
    Case("etc that is a file", [tar(*APP, file("etc", b"x"))], unlike=("podman: it makes no room for its mounts, as docker does",)),
    Case("etc that is a link", [tar(*APP, folder("private/etc"), link("etc", "private/etc"))]),
    Case("etc that is a link to nothing", [tar(*APP, link("etc", "private/etc"))], unlike=("podman: it makes no room for its mounts, as docker does",)),
    Case("list of hosts that is a folder", [tar(*APP, folder("etc/hosts"))], starts=False),
    Case("list of servers that is a link to nothing", [tar(*APP, link("etc/resolv.conf", "../run/none/stub.conf"))]),
    Case("proc that is a file", [tar(*APP, file("proc", b"x"))], unlike=("podman: it makes no room for its mounts, as docker does",)),
    Case("proc that is a link", [tar(*APP, folder("x"), link("proc", "x"))], unlike=("podman: it makes no room for its mounts, as docker does",)),
    Case("dev that is a file", [tar(*APP, file("dev", b"x"))], unlike=("podman: it makes no room for its mounts, as docker does",)),
    Case("sys that is a file", [tar(*APP, file("sys", b"x"))], unlike=("podman: it makes no room for its mounts, as docker does",)),
    Case("volume that is a file", [tar(*APP, file("data", b"x"))], {"Volumes": {"/data": {}}}, starts=False),
    Case("volume that is not there", [ONE], {"Volumes": {"/data/x": {}}}),
    Case("port that is none", [ONE], {"ExposedPorts": {"web/tcp": {}}}),
    Case("signal that is none", [ONE], {"StopSignal": "SIGNONE"}, unlike=("podman: it reads the signal before it starts anything, docker when it stops",)),
    # users
    Case("largest user", [ONE], {"User": "2147483647:2147483647"}),
    Case("user that is too large", [ONE], {"User": "2147483648"}, starts=False),
    Case("user that is far too large", [ONE], {"User": "4294967296"}, starts=False),
    Case("negative user", [ONE], {"User": "-1"}, starts=False),
    Case("group that is too large", [ONE], {"User": "1000:4294967296"}, starts=False),
    Case("group without a user", [ONE], {"User": ":1000"}),
    Case("user with an empty group", [tar(*_LIST)], {"User": "web:"}),
    Case("user by number, group by name", [tar(*_LIST)], {"User": "1:web"}),
    Case("user by number, group by name without a list", [ONE], {"User": "1:web"}, starts=False),
    Case("user in hexadecimal", [ONE], {"User": "0x10"}, starts=False),
    Case("user with a blank", [tar(*_LIST)], {"User": "web "}, starts=False),
    Case("root by name without a list", [ONE], {"User": "root"}, starts=False),
    Case("root and group by name without a list", [ONE], {"User": "root:root"}, starts=False),
    Case("user by name in a list that is a link", [tar(*APP, file("usr/p", _WEB.encode(), 0o644), link("etc/passwd", "/usr/p"))],
         {"User": "web"}),
    Case("user by name, and /etc is a link", [tar(*APP, folder("usr"), folder("usr/etc"), link("etc", "usr/etc"), file("usr/etc/passwd", _WEB.encode(), 0o644))],
         {"User": "web"}, starts=False, unlike=_FOLLOWS),
    Case("user by name, and a layer above makes a link of /etc", [_passwd(_WEB), tar(folder("usr"), folder("usr/etc"), link("etc", "usr/etc"), file("usr/etc/passwd", _WEB.encode(), 0o644))],
         {"User": "web"}, starts=False, unlike=_FOLLOWS),
    Case("a program below /etc, which is a link", [tar(folder("usr"), folder("usr/etc"), link("etc", "usr/etc"), file("usr/etc/web"))],
         {"Entrypoint": ["/etc/web"]}, starts=False, unlike=_FOLLOWS),
    Case("user by name in a list that is a link to nothing", [tar(*APP, link("etc/passwd", "/usr/p"))], {"User": "web"},
         starts=False),
    Case("user by name in a list that is a folder", [tar(*APP, folder("etc/passwd"))], {"User": "web"}, starts=False),
    Case("user by name in a list of Windows", [_passwd(_WEB.replace("\n", "\r\n"))], {"User": "web"}),
    Case("user by name behind lines that are none", [_passwd(f"# x\n\n+::::::\nbad:line\n{_WEB}")], {"User": "web"}),
    Case("user by name whose number is none", [_passwd("web:x:one:1::/:\n")], {"User": "web"}, unlike=("verify: engines run it as root, which nobody can have meant",)),
    Case("user whose name is a number", [tar(file("app/web", mode=0o700, uid=77),
                                            file("etc/passwd", b"1000:x:77:77::/:\n", 0o644))], {"User": "1000"}, starts=False, unlike=("docker 26: it looks for a name before it takes a number",)),
    Case("user by name who is listed twice", [tar(file("app/web", mode=0o700, uid=1234),
                                                 file("etc/passwd", (_WEB + "web:x:5:5::/:\n").encode(), 0o644))],
         {"User": "web"}),
    Case("user who is in the program's group by the list",
         [tar(file("app/web", mode=0o710, gid=50), PASSWD, file("etc/group", b"more:x:50:a,web\n", 0o644))],
         {"User": "web"}),
    Case("user with a group of its own choice is in no other",
         [tar(file("app/web", mode=0o710, gid=50), PASSWD, file("etc/group", b"more:x:50:a,web\n", 0o644))],
         {"User": "web:9"}, starts=False, unlike=("docker 26: it opens the program with CAP_DAC_OVERRIDE, which --cap-drop takes away",)),
    # links and whiteouts
    Case("hard link whose first name is taken away", [tar(file("app/one"), same("app/web", "app/one")),
                                                      tar(Member("app/.wh.one"))]),
    Case("taken away through a link", [tar(folder("usr/app"), file("usr/app/web"), link("app", "usr/app")),
                                       tar(Member("app/.wh.web"))], starts=False),
    Case("emptied through a link", [tar(folder("usr/app"), file("usr/app/web"), link("app", "usr/app")),
                                    tar(Member("app/.wh..wh..opq"))], starts=False),
    Case("link taken away, and a folder in its place", [tar(folder("usr/app"), link("app", "usr/app")),
                                                        tar(Member(".wh.app")), tar(*APP)]),
    Case("taken away before anything is there", [tar(Member(".wh.app")), ONE]),
    Case("taken away what is not there, in a folder that is not there", [ONE, tar(Member("none/.wh.x"))]),
    Case("taken away behind it, in its own layer", [ONE, tar(file("app/web"), Member("app/.wh.web"))], starts=False),
    Case("file that is named as a mark of whiteouts", [ONE, tar(Member(".wh..wh.plnk"))]),
    Case("mark of a device", [ONE, tar(folder("app"), Member("app/web", tarfile.CHRTYPE))], starts=False),
    Case("mark of an attribute", [ONE, tar(Member("app", tarfile.DIRTYPE, pax={"SCHILY.xattr.trusted.overlay.opaque": "y"}))], unlike=("docker: it keeps the attribute, which overlay file systems obey", "podman: it keeps the attribute, which overlay file systems obey")),
    # archives
    Case("sparse, old", [sparse_of_old()], starts=False),
    Case("sparse, 1.0", [_sparse_of_new()]),
    Case("sparse, 0.1", [_sparse_between()]),
    Case("record for the whole archive", [tar(Member("pax_global_header", tarfile.XGLTYPE, b"52 comment=" + b"a" * 40 + b"\n"), *APP)]),
    Case("name of a volume", [_typed(b"V")], starts=False),
    Case("list of a folder", [_typed(b"D")], starts=False),
    Case("type that nobody knows", [_typed(b"Z")], starts=False),
    Case("link and then a file of that name", [tar(link("app/web", "none"), file("app/web"))], starts=False, unlike=("docker 26: containerd lets the later one win",)),
    Case("link and then a file through it", [tar(link("app/web", "/usr/web"), file("usr/web", b"x"), file("app/web"))], starts=False, unlike=("docker 26: containerd lets the later one win",)),
    Case("file and then a link of that name", [tar(file("usr/web"), file("app/web", b""), link("app/web", "/usr/web"))], starts=False, unlike=("docker 26: containerd lets the later one win",)),
    Case("folder and then a file of that name", [tar(folder("app/web"), file("app/web"))], starts=False, unlike=("docker 26: containerd lets the later one win",)),
    Case("file and then a folder of that name", [tar(file("app", b"x"), *APP)], starts=False, unlike=("docker 26: containerd lets the later one win",)),
    Case("full folder and then a file of that name", [tar(folder("app/web"), file("app/web/x"), file("app/web"))], starts=False, unlike=("docker 26: containerd lets the later one win",)),
    Case("folder whose rights come later", [tar(folder("app", 0o700), file("app/web"), folder("app", 0o755))],
         {"User": "1000"}, starts=False, unlike=("docker 26: containerd lets the later one win",)),
    Case("name that no file system takes", [tar(*APP, file("n" * 256, b"x"))], starts=False),
    Case("name of two hundred and fifty-five", [tar(*APP, file("n" * 255, b"x"))]),
    Case("names with odd letters", [tar(*APP, file("a\\b", b"x"), file("new\nline", b"x"), file("\u202e", b"x"))]),
    Case("owner that is too large", [tar(*APP, Member("x", uid=5_000_000_000))]),
    Case("times of long ago and far away", [tar(file("app/web", pax={"mtime": "-1"}), file("x", b"", pax={"mtime": "99999999999"}))]),
    Case("rubbish behind the end", [Blob(gzip.compress(ONE + b"x" * 600, mtime=0), GZIP, ONE + b"x" * 600)]),
    Case("an archive that is cut off", [ONE, tar(file("big", b"x" * 5000))[:3000]], starts=False),
    Case("an archive that is none", [ONE, b"x" * 2000], starts=False),
    Case("a layer that is not what the config says", [Blob(gzip.compress(ONE, mtime=0), GZIP, ONE + bytes(512))], starts=False, unlike=("podman: it takes the digests of blobs alone for true",)),
    # of a content of its own: an engine does not read again what it has by its diff_id
    Case("gzip that is cut off", [Blob(gzip.compress(_CUT, mtime=0)[:-10], GZIP, _CUT)], starts=False),
    Case("no layers", [], starts=False),
)  # fmt: skip
