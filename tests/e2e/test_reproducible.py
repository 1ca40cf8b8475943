"""Same inputs and same toolchain, same bytes: wherever the project lies and wherever it is compiled."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.programs import REPOSITORY, RunCargoship
from support.results import digests
from support.shipped import Shipped, target_folder

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("web_service")]

PLACES = ("here", "somewhere/else")


def example(name: str, to: Path) -> None:
    shutil.copytree(REPOSITORY / "examples" / name, to, ignore=shutil.ignore_patterns("target"))


def with_c(to: Path) -> None:
    """A program whose code in C, and in a crate that cargo has downloaded, tells the name of its file, as panics do."""
    files = {
        "Cargo.toml": '[package]\nname = "with-c"\nversion = "1.0.0"\nedition = "2021"\n'
        '[dependencies]\nbytes = "1"\n[build-dependencies]\ncc = "1"\n[workspace]\n',
        "build.rs": 'fn main() { cc::Build::new().file("src/where.c").compile("where"); }',
        "src/where.c": "const char *where(void) { return __FILE__; }",
        "src/main.rs": """
            use std::ffi::{c_char, CStr};
            extern "C" { fn r#where() -> *const c_char; }
            fn main() {
                println!("{:?} {}", unsafe { CStr::from_ptr(r#where()) }, file!());
                println!("{:?}", bytes::Bytes::from_static(b"cut").slice(std::env::args().len()..));
            }
        """,
    }
    for name, text in files.items():
        path = to / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("project", "images", "told"),
    [
        (lambda to: example("workspace", to), 2, ()),
        (with_c, 1, (b"src/where.c", b"src/main.rs", b"/src/bytes.rs")),
    ],
    ids=["workspace", "with C"],
)
def test_two_folders_two_target_folders_two_homes_of_cargo_one_digest(
    run_cargoship: RunCargoship, tmp_path: Path, project: Callable[[Path], None], images: int, told: tuple[bytes, ...]
) -> None:
    printed = []
    for place in PLACES:
        project(tmp_path / place)
        out = tmp_path / place / "out"
        env = {
            **target_folder("unused"),
            "CARGO_TARGET_DIR": str(out),
            "CARGO_HOME": str(tmp_path / place / "cargo-home"),
        }
        # compiled in both places, not taken from a cache
        printed.append(digests(run_cargoship("build", tmp_path / place, "--no-cache", env=env).stdout))
        for name in told:
            program = (out / "x86_64-unknown-linux-musl" / "release" / "with-c").read_bytes()
            assert name in program
            assert str(tmp_path).encode() not in program
    assert printed[0] == printed[1]
    assert len(printed[0]) == images


def test_a_big_project_does_not_tell_its_folder(
    run_cargoship: RunCargoship, web_service: Shipped, tmp_path: Path
) -> None:
    del web_service  # compiled before: here only the package's own crate is compiled again
    printed = []
    for place in PLACES:
        example("web-service", tmp_path / place)
        printed.append(
            digests(run_cargoship("build", tmp_path / place, "--no-cache", env=target_folder("musl")).stdout)
        )
    assert printed[0] == printed[1]
