"""A corpus of images that cannot start, each with the one change that mends it.

Programs are tiny ones that Zig compiles; bases are layouts made of this machine's own C libraries.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cargoship.oci.config import ImageConfig
from cargoship.oci.image import make_image
from cargoship.oci.index import index_of
from cargoship.oci.layer import BlobStore, build_layer
from cargoship.oci.layout import write_layout
from cargoship.oci.tar import LayerEntry
from support.gnu_base import gnu_files
from support.images import AMD64, ARM64, CREATED, EPOCH, GZIP
from support.programs import run

TRIPLES = {"linux/amd64": "x86_64-linux-gnu", "linux/arm64": "aarch64-linux-gnu"}

_HELLO = """#include <stdio.h>
#include <string.h>
#ifdef GREET
extern const char *greet(void);
#endif
int main(void) {
  char text[64];
#if defined GREET
  strcpy(text, greet());
#elif defined NEW
  strlcpy(text, "hello", sizeof text); /* glibc 2.38 */
#else
  strcpy(text, "hello");
#endif
  puts(text);
  return 0;
}
"""
_GREET = 'const char *greet(void) { return "hello"; }\n'


@dataclass(frozen=True)
class Programs:
    """What was compiled, by name and platform."""

    folder: Path

    def options(self, name: str, **others: str) -> list[str]:
        """`--binary` options; `others` give another program to an architecture."""
        chosen = {platform: others.get(platform.partition("/")[2], f"{name}-{platform[6:]}") for platform in TRIPLES}
        return [word for platform, file in chosen.items() for word in ("--binary", f"{platform}={self.folder / file}")]


def compile_programs(folder: Path) -> Programs:
    """`hello` for glibc 2.31, `new` for 2.38, `greeter`, which needs libgreet.so, each for two architectures."""
    (folder / "hello.c").write_text(_HELLO)
    (folder / "greet.c").write_text(_GREET)
    for platform, triple in TRIPLES.items():
        arch = platform[6:]
        floor = f"{triple}.2.31"
        library = folder / f"libgreet-{arch}" / "libgreet.so"
        library.parent.mkdir()
        _cc(folder, "greet.c", floor, library, "-shared", "-fPIC", "-Wl,-soname,libgreet.so")
        _cc(folder, "hello.c", floor, folder / f"hello-{arch}")
        _cc(folder, "hello.c", floor, folder / f"greeter-{arch}", "-DGREET", f"-L{library.parent}", "-lgreet")
    _cc(folder, "hello.c", "x86_64-linux-gnu.2.38", folder / "new-amd64", "-DNEW")
    return Programs(folder)


def _cc(folder: Path, source: str, target: str, output: Path, *flags: str) -> None:
    run(
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        "-target",
        target,
        "-O1",
        "-fno-builtin",
        "-s",
        source,
        "-o",
        output,
        *flags,
        cwd=folder,
    )


@dataclass(frozen=True)
class Bases:
    """Layouts by name: `gnu` has a C library, `merged` has it below /usr, `bare` none."""

    folder: Path
    programs: Programs

    def __getitem__(self, name: str) -> str:
        folder = self.folder / name
        if not folder.exists():
            self._write(folder, name)
        return f"oci:{folder}"

    def _write(self, folder: Path, name: str) -> None:
        store = BlobStore(self.folder / "blobs")
        images = []
        for platform in (AMD64, ARM64):
            wanted = "arm64" if name == "other-machine" else platform.architecture
            entries = [] if name == "bare" else [
                LayerEntry.file(path, source, 0o755) for path, source in gnu_files(wanted)
            ]  # fmt: skip
            if name == "merged":
                entries = [LayerEntry.file(f"usr/{each.path}", each.source or b"", 0o755) for each in entries]
                entries += [LayerEntry.symlink(link, f"usr/{link}") for link in ("lib", "lib64")]
                entries += [LayerEntry.directory("usr/lib"), LayerEntry.directory("usr/lib64")]
            if name == "users":
                entries.append(LayerEntry.file("etc/passwd", b"root:x:0:0::/:\nweb:x:1234:1234::/:\n"))
            if name in {"dangling", "linked"}:
                target = "/app/missing" if name == "dangling" else "/app/app"
                entries.append(LayerEntry.symlink("usr/local/bin/start", target))
            if name == "greeting":
                library = self.programs.folder / f"libgreet-{platform.architecture}" / "libgreet.so"
                entries.append(LayerEntry.file("usr/lib/libgreet.so", library, 0o755))
            if name == "bare":
                entries.append(LayerEntry.file("etc/motd", b"hello\n"))
            layer = build_layer(entries, store=store, compression=GZIP, epoch=EPOCH, created_by=name)
            images.append(
                make_image(platform=platform, config=ImageConfig(), layers=[layer], created=CREATED, annotations={})
            )
        write_layout(folder, index_of(images, annotations={}), names=[])


@dataclass(frozen=True)
class Way:
    """How an image is made: its base, programs, settings. The project has a file a.txt."""

    base: str = "gnu"
    program: str = "hello"
    others: Mapping[str, str] = field(default_factory=dict)
    settings: str = ""


@dataclass(frozen=True)
class Case:
    """An image that cannot start, what is said of it, where it is seen, and the same image mended."""

    name: str
    broken: Way
    says: str
    hint: str
    mended: Way
    platform: str = "linux/amd64"


_START = 'entrypoint = ["/usr/local/bin/start"]'
_GREETING = Way("greeting", program="greeter")

CORPUS = (
    Case("wrong machine", Way(others={"arm64": "hello-amd64"}),
         "is a program for linux/amd64, but it is meant for linux/arm64", "give a binary for linux/arm64",
         Way(), platform="linux/arm64"),
    Case("missing interpreter", Way("bare", settings='libc = "musl"'),
         "is linked dynamically and asks for /lib64/ld-linux-x86-64.so.2, which its image does not have",
         "--libc musl", Way("merged")),
    Case("base without a C library", Way("bare"), "it has no /lib64/ld-linux-x86-64.so.2", "choose a base with glibc",
         Way()),
    Case("base for another machine", Way("other-machine", settings='libc = "musl"'), "(linux/amd64) is linked "
         "dynamically and asks for /lib64/ld-linux-x86-64.so.2", "choose a base with glibc", Way()),
    Case("GLIBC too new", Way(others={"amd64": "new-amd64"}),
         "asks for GLIBC_2.38, and its image has glibc 2.36", "--libc gnu:2.36", Way()),
    Case("missing NEEDED", Way(program="greeter"),
         "/app/app (linux/amd64, linux/arm64) needs libgreet.so", "packages", _GREETING),
    Case("NEEDED that is no library", replace(_GREETING, settings='include = ["a.txt -> /usr/lib/libgreet.so"]'),
         "/usr/lib/libgreet.so is not a valid library", "packages", _GREETING),
    Case("dangling entrypoint", Way("dangling", settings=_START), "the entrypoint /usr/local/bin/start (linux/amd64, "
         "linux/arm64) is a link to /app/missing, which does not exist", "correct entrypoint",
         Way("linked", settings=_START)),
    Case("unknown user", Way(settings='user = "web"'),
         "is to run as the user 'web', and /etc/passwd of its image has no such user", "65532",
         Way("users", settings='user = "web"')),
    Case("files that clash", Way("merged", settings='include = ["a.txt -> /lib/a.txt"]'),
         "/lib would be a folder, and is a link to usr/lib in the base", "put it below /usr/lib",
         Way("merged", settings='include = ["a.txt -> /usr/lib/a.txt"]'), platform="linux/arm64"),
)  # fmt: skip
