"""What Zig and the C libraries of targets do not have, recognized by cargo's own words: the limit, and ways out of it.

The words are those of Zig 0.17, its clang and its lld; `tests/tools/test_limits.py` makes them say some of them.
"""

from __future__ import annotations

import re

from msgspec import Struct

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_OWN_COMPILER = "compile for this platform with a compiler of your own, named by CC_<target> and CXX_<target>"
_FEATURE = "see whether the crate has a feature or variable that leaves it out"


class Limit(Struct, frozen=True):
    """One limit: the words by which it is known, what it is (with their groups filled in), and what leads around it."""

    words: re.Pattern[str]
    text: str
    way_out: str


LIMITS: tuple[Limit, ...] = (
    Limit(
        # LLVM puts other characters in the place of each % where it names the file that it writes first
        # (llvm/lib/Support/FileOutputBuffer.cpp, sys::fs::TempFile::create)
        re.compile(
            r"ld\.lld: error: cannot open output file (?P<path>[^\n%]{0,4096}%[^\n]{0,4096}): No such file or directory"
        ),
        "LLVM's linker cannot write to {path}: it takes each % for another character",
        "let cargo build into a folder without a % in its path, such as with CARGO_TARGET_DIR",
    ),
    Limit(
        re.compile(r"ld\.lld: error: (?P<path>/\S+) is of glibc, and the program is for musl"),
        "a crate, or RUSTFLAGS, names {path} for the linker, which is glibc's, in a program for musl",
        "leave it out: musl is linked without being named; or build with --libc gnu",
    ),
    Limit(
        re.compile(
            r"wasm-ld: error: \S{0,4096}libstd-[^\s/]{1,200}\): undefined symbol: "
            r"(?P<name>socket|connect|bind|listen|accept\w*|getaddrinfo|getsockname|getpeername|freeaddrinfo|sendto|recvfrom)\b"
        ),
        "the component uses sockets ({name}), and the C library of a standard library that is made here has none",
        "rustup's has: rustup target add wasm32-wasip2, or leave out what asks for std::net",
    ),
    Limit(
        re.compile(r"error: unknown target CPU '(?P<name>[^']+)'\n(?:.*\n)*?.*note: valid target CPU values"),
        "C code asks for the processor {name}, which the platform does not have (-march=native is this machine's own)",
        f"leave -march=native and the like out of CFLAGS; {_FEATURE}",
    ),
    Limit(
        re.compile(r"info: available CPUs for architecture '(?P<name>[^']+)'"),
        "C code asks for a processor of {name} by a name that Zig does not have",
        f"leave -march, -mcpu and -mtune out of CFLAGS; {_FEATURE}",
    ),
    Limit(
        re.compile(r"error: target architecture (?P<arch>\S+) has no LLVM CPU feature named \"(?P<name>[^\"]+)\""),
        "C code asks for {name}, which processors of {arch} do not have",
        f"it was written for another architecture: {_FEATURE}, or leave the platform out",
    ),
    Limit(
        re.compile(r"error: unknown clang option: \"(?P<name>[^\"]+)\""),
        "C code is compiled with {name}, a flag of GCC that Zig's clang does not have",
        f"leave it out of CFLAGS; {_FEATURE}; or {_OWN_COMPILER}",
    ),
    Limit(
        re.compile(r"error: unable to load plugin '(?P<name>[^']+)'"),
        "C code is compiled with the compiler plug-in {name}, and Zig's clang loads none",
        f"leave -fplugin out of CFLAGS; or {_OWN_COMPILER}",
    ),
    Limit(
        re.compile(r"error: unsupported argument '(?P<name>[^']+)' to option '-Wa,'"),
        "assembly is compiled with {name}, a flag of GNU's assembler that clang's does not have",
        f"{_FEATURE} (often called no-asm); or {_OWN_COMPILER}",
    ),
    Limit(
        re.compile(
            r"(?:unable to find library -l|unable to find dynamic system library .?)(?P<name>gfortran|quadmath)\b"
        ),
        "a program is linked with {name}, the runtime of GNU's Fortran compiler: Zig has no Fortran",
        "use a crate without Fortran: for linear algebra, one in Rust, or a feature that compiles C alone",
    ),
    Limit(
        re.compile(
            r"(?:unable to find library -l|unable to find dynamic system library .?)(?P<name>gomp|omp|iomp5)\b"
            r"|undefined symbol: (?P<symbol>__kmpc_\w+|GOMP_\w+|omp_\w+)"
        ),
        "a program is linked with OpenMP ({name}{symbol}), which Zig does not have",
        "leave -fopenmp out: most crates that use it have a feature or variable for that",
    ),
    Limit(
        # of those that the crate libc and Rust's own libraries have called: each stands for the name without 64
        re.compile(
            r"undefined symbol: (?P<name>(?:creat|fallocate|fgetpos|fopen|freopen|fseeko|fsetpos|fstat|fstatat|fstatfs"
            r"|fstatvfs|ftello|ftruncate|getrlimit|lseek|lstat|mmap|open|openat|posix_fadvise|posix_fallocate|pread"
            r"|preadv|prlimit|pwrite|pwritev|readdir|scandir|sendfile|setrlimit|stat|statfs|statvfs|tmpfile|truncate"
            r")64)\b"
        ),
        "a crate calls {name}, which musl does not have since 1.2.4, and Rust since 1.93 comes with a newer one; "
        "the crate libc did so before 0.2.146",
        "bring it up to date in Cargo.lock: cargo update -p libc; or build with --libc gnu",
    ),
    Limit(
        re.compile(r"undefined symbol: .*std::__cxx11::"),
        "a library that was compiled with GNU's C++ library (libstdc++) is linked, and Zig has LLVM's (libc++)",
        "let the crate compile its C++ from source (features such as bundled, vendored), so that all of it is Zig's",
    ),
    Limit(
        re.compile(
            r"error: unsupported linker arg: (?P<name>\S+)|unsupported linker extension flag: (?P<extension>.+)"
            r"|ld\.lld: error: unknown argument '(?P<unknown>[^']+)'"
        ),
        "a crate, or RUSTFLAGS, links with {name}{extension}{unknown}, which Zig's linker does not have",
        "leave it out of RUSTFLAGS or build.rs; try the other C library (--libc gnu, --libc musl), which is linked "
        "another way; or name a linker of your own with CARGO_TARGET_<TARGET>_LINKER",
    ),
)


def known_limit(stderr: str) -> tuple[str, str] | None:
    """What kept a build from ending, if it is such a limit, and the ways out; `stderr` is cargo's."""
    text = _ANSI.sub("", stderr)
    for limit in LIMITS:
        if match := limit.words.search(text):
            named = {name: value or "" for name, value in match.groupdict().items()}
            return limit.text.format(**named), limit.way_out
    return None
