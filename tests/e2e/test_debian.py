"""Libraries of the system, on a base of Debian packages: linked, in the image, answering on both architectures.

apt and dpkg judge what is in the base.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from cargoship.debian.resolve import FOR_SCRIPTS
from support.debian_mirror import mirror_environment
from support.engine import Engine
from support.judges import single, unpack, validate
from support.programs import RunCargoship, run
from support.projects import project
from support.results import digests
from support.shipped import target_folder

pytestmark = pytest.mark.e2e

_MANIFEST = """
[dependencies]
libsqlite3-sys = "=0.35.0"
libz-sys = { version = "=1.1.31", default-features = false, features = ["libc"] }
openssl-sys = "=0.9.118"
pq-sys = "=0.7.8"

[package.metadata.cargoship]
libc = "gnu"
base = "debian:bookworm"
build-packages = ["libpq-dev", "libsqlite3-dev", "libssl-dev", "zlib1g-dev"]

[profile.release]
opt-level = 0
"""
_MAIN = """
use std::ffi::{CStr, CString};

fn main() {
    unsafe {
        println!("libpq {}", pq_sys::PQlibVersion());
        // whether its own libraries are there, too
        let nowhere = CString::new("host=/nowhere").unwrap();
        let connection = pq_sys::PQconnectdb(nowhere.as_ptr());
        println!("{}", CStr::from_ptr(pq_sys::PQerrorMessage(connection)).to_str().unwrap().contains("/nowhere"));
        println!("libssl {:x}", openssl_sys::OpenSSL_version_num());
        let context = openssl_sys::SSL_CTX_new(openssl_sys::TLS_method());
        println!("{}", openssl_sys::SSL_CTX_set_default_verify_paths(context));
        println!("sqlite {}", CStr::from_ptr(libsqlite3_sys::sqlite3_libversion()).to_str().unwrap());
        println!("zlib {}", CStr::from_ptr(libz_sys::zlibVersion()).to_str().unwrap());
    }
    println!("zones {}", std::path::Path::new("/usr/share/zoneinfo/Europe/Berlin").exists());
}
"""
_ANSWER = re.compile(
    r"libpq 15\d{4}\ntrue\nlibssl 30000\w+\n1\nsqlite 3\.40\.\d\nzlib 1\.2\.13\nzones true\n"
)  # what bookworm has
_LIBRARIES = {"libpq5", "libsqlite3-0", "libssl3", "zlib1g"}


@dataclass(frozen=True)
class Linked:
    """A program that is linked with four libraries, and its image."""

    project: Path
    layout: Path
    env: dict[str, str]
    printed: str


@pytest.fixture(scope="session")
def linked(run_cargoship: RunCargoship, tmp_path_factory: pytest.TempPathFactory) -> Linked:
    """The project, built once."""
    folder = tmp_path_factory.mktemp("linked")
    app = project(folder / "linked", name="linked", manifest=_MANIFEST, files={"src/main.rs": _MAIN})
    env = {**target_folder("gnu"), **mirror_environment()}
    done = run_cargoship("build", app, "-o", f"oci:{folder}/layout", "-o", f"docker-archive:{folder}/app.tar", env=env)
    return Linked(app, folder / "layout", env, done.stdout)


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_four_libraries_answer(linked: Linked, engine: Engine, tmp_path: Path, architecture: str) -> None:
    name = f"cargoship-test/linked:{architecture}"
    run("skopeo", f"--override-arch={architecture}", "copy", "-q", f"oci:{linked.layout}",
        f"docker-archive:{tmp_path}/app.tar:{name}")  # fmt: skip
    engine.load(tmp_path / "app.tar")
    try:
        command = ("docker", "run", "--rm", "--network=none", f"--platform=linux/{architecture}", name)
        assert _ANSWER.fullmatch(run(*command).stdout)
    finally:
        engine.remove(name)


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_image_has_what_the_program_needs_and_no_more(linked: Linked, tmp_path: Path, architecture: str) -> None:
    image = single(f"oci:{linked.layout}", architecture, tmp_path / "one")
    validate(image)
    root = unpack(image, tmp_path / "bundle")
    query = run("dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f", "${Package} ${Architecture}\\n").stdout
    packages = dict(line.split() for line in query.splitlines())
    assert packages.keys() >= {*_LIBRARIES, "libc6", "libgcc-s1", "tzdata", "ca-certificates", "base-files"}
    assert not [package for package in packages if package.endswith("-dev")]
    assert set(packages.values()) == {"all", architecture}
    assert run("dpkg", f"--root={root}", "--verify").stdout == ""
    assert list((root / "usr/include").iterdir()) == []
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", root / "app" / "linked").stdout))
    assert needed >= {"libpq.so.5", "libsqlite3.so.0", "libssl.so.3", "libz.so.1"}


def test_a_locked_build_is_the_same_everywhere(linked: Linked, run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """No mirror is asked, and the digest is the same."""
    env = {
        **linked.env,
        "CARGOSHIP_DEBIAN_MIRROR": "http://127.0.0.1:9",
        "CARGOSHIP_DEBIAN_SNAPSHOTS": "http://127.0.0.1:9",
    }
    again = run_cargoship("build", linked.project, "--locked", "-o", f"oci:{tmp_path}/again", env=env)
    assert digests(again.stdout) == digests(linked.printed)


def test_a_missing_library_is_refused_with_the_package_that_has_it(
    linked: Linked, run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    """The same program on a base without build packages."""
    plain = project(
        tmp_path / "plain",
        name="linked",
        manifest='[package.metadata.cargoship]\nlibc = "gnu"\nbase = "deb:bookworm"\n',
    )
    path = Path(linked.env["CARGO_TARGET_DIR"]) / "x86_64-unknown-linux-gnu" / "release" / "linked"
    output = f"oci:{tmp_path}/out"
    refused = run_cargoship("pack", plain, "--binary", f"linux/amd64={path}", "-o", output, env=linked.env, check=False)
    assert refused.returncode == 40
    for package, library in (("libpq5", "libpq.so.5"), ("libsqlite3-0", "libsqlite3.so.0"), ("zlib1g", "libz.so.1")):
        assert f"the package {package} has {library}: add it to packages" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_apt_chooses_the_same(linked: Linked, run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """For requests that need much; but for packages that only maintainer scripts use, and what those need."""
    asked = ["curl", "libgdal32", "nginx", "python3"]
    mirror = linked.env.get("CARGOSHIP_DEBIAN_MIRROR", "http://deb.debian.org")
    settings = f'[package.metadata.cargoship]\nbase = "deb:bookworm"\npackages = {asked}\nplatforms = ["linux/amd64"]\n'
    app = project(tmp_path / "app", manifest=settings)
    run_cargoship("base", "pin", app, env=linked.env)
    ours = {package["name"] for package in tomllib.loads((app / "cargoship.lock").read_text())["package"]}

    sources = "".join(
        f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror}/{archive} {suite} main\n"
        for archive, suite in (
            ("debian", "bookworm"), ("debian", "bookworm-updates"), ("debian-security", "bookworm-security")
        )
    )  # fmt: skip
    (tmp_path / "sources.list").write_text(sources)
    (tmp_path / "status").touch()
    for folder in ("lists/partial", "cache/archives/partial"):
        (tmp_path / folder).mkdir(parents=True)
    reported = {
        "Dir::Etc::sourcelist": tmp_path / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": tmp_path / "lists", "Dir::State::status": tmp_path / "status",
        "Dir::Cache": tmp_path / "cache", "APT::Architecture": "amd64", "APT::Architectures": "amd64",
        "APT::Install-Recommends": "0", "APT::Sandbox::User": "root",
    }  # fmt: skip
    options = [f"-o{name}={value}" for name, value in reported.items()]
    run("apt-get", "-qq", *options, "update")
    minimal = ["base-files", "ca-certificates", "libc6", "libgcc-s1", "netbase", "tzdata"]
    said = run("apt-get", *options, "--simulate", "install", *asked, *minimal).stdout
    theirs = set(re.findall(r"^Inst (\S+)", said, re.MULTILINE))
    assert ours <= theirs
    # what is there only for what maintainer scripts use
    only_theirs = theirs - ours
    assert only_theirs & FOR_SCRIPTS
    tools = {"openssl", "tar", "libacl1", "libmd0", "libpcre2-8-0", "libselinux1", "libzstd1"}
    assert only_theirs <= FOR_SCRIPTS | tools
