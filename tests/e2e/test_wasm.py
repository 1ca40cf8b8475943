"""WebAssembly beside Linux: one build, one index; wasmtime runs the program, alone and out of the artifact."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import wasmtime
from wasmtime import component

from cargoship.wasm import WasmKind, custom_sections, wasm_kind, wasm_kind_of
from cargoship.wasm_component import interfaces_of
from support.crates import download
from support.programs import RunCargoship, run
from support.projects import project

pytestmark = pytest.mark.e2e

FILES = {
    "build.rs": 'fn main() { cc::Build::new().file("src/twice.c").compile("twice"); }\n',
    "src/twice.c": "#include <stdlib.h>\nint twice(int n) { return 2 * abs(n); }\n",
    "src/main.rs": """use std::collections::HashMap;
extern "C" { fn twice(n: i32) -> i32; }
fn main() {
    let mut found = HashMap::new();
    found.insert("answer", itoa::Buffer::new().format(unsafe { twice(-21) }).to_owned());
    println!("{found:?} {:?}", std::env::var("GREETING"));
    println!("{}", std::fs::read_to_string("/srv/data.txt").unwrap());
}
""",
    "data.txt": "from a file of the image",
}
MANIFEST = """
[dependencies]
itoa = "1"
[build-dependencies]
cc = "1"
[package.metadata.cargoship]
include = ["data.txt -> /srv/data.txt"]
allocator = "mimalloc"
"""


def run_wasm(program: bytes, root: Path, output: Path) -> str:
    """What a module says that is started with the files of its image."""
    engine = wasmtime.Engine()
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    config = wasmtime.WasiConfig()
    config.argv = ["app"]
    config.env = [("GREETING", "hello")]
    config.preopen_dir(str(root), "/")
    config.stdout_file = str(output)
    store.set_wasi(config)
    instance = linker.instantiate(store, wasmtime.Module(engine, program))
    start = instance.exports(store)["_start"]
    assert isinstance(start, wasmtime.Func)
    start(store)
    return output.read_text()


SAID = '{"answer": "42"} Ok("hello")\nfrom a file of the image\n'


def test_one_build_for_linux_and_webassembly(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    app = project(tmp_path / "app", manifest=MANIFEST, files=FILES)
    download(app)
    layout, files, artifact = tmp_path / "layout", tmp_path / "files", tmp_path / "artifact"
    outputs = (f"oci:{layout}", f"rootfs:{files}", f"wasm:{artifact}")
    words = [word for each in outputs for word in ("-o", each)]
    build = ("build", app, "--platform", "linux/amd64,wasi/wasm", "-t", "example.com/app:1")
    done = run_cargoship(*build, *words)
    digest = done.stdout.strip().rpartition("@")[2]

    # the files of both: on nothing of Linux where there is none
    program = files / "wasi" / "wasm" / "app" / "app"
    assert run_wasm(program.read_bytes(), files / "wasi" / "wasm", tmp_path / "said") == SAID
    assert sorted(path.name for path in (files / "wasi" / "wasm").iterdir()) == ["app", "srv"]
    native = run(files / "linux" / "amd64" / "app" / "app", env={"GREETING": "hello"}, check=False)
    assert native.stdout.splitlines()[0] == '{"answer": "42"} Ok("hello")'

    # one index, which says what each is for
    inspected = json.loads(run_cargoship("inspect", f"oci:{layout}", "--json").stdout)
    assert inspected["digest"] == digest
    raw = json.loads((layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_text())
    platforms = [each["platform"] for each in raw["manifests"]]
    assert platforms == [{"architecture": "amd64", "os": "linux"}, {"architecture": "wasm", "os": "wasi"}]
    assert run_cargoship("verify", f"oci:{layout}").stdout.count("can start") == 2
    sbom = json.loads(run_cargoship("sbom", f"oci:{layout}", "--platform", "wasi/wasm").stdout)
    names = {each["name"] for each in sbom["components"]}
    assert {"app", "itoa", "rust-std"} <= names
    assert names.isdisjoint({"certifi", "tzdata", "musl", "mimalloc"})

    # the artifact has the same program, and nothing around it
    index = json.loads((artifact / "index.json").read_text())
    manifest = read(artifact, index["manifests"][0]["digest"])
    described = json.loads(manifest)
    assert described["config"]["mediaType"] == "application/vnd.wasm.config.v0+json"
    (layer,) = described["layers"]
    assert layer["mediaType"] == "application/wasm"
    content = read(artifact, layer["digest"])
    assert content == program.read_bytes()
    config = json.loads(read(artifact, described["config"]["digest"]))
    assert (config["os"], config["architecture"], config["layerDigests"]) == ("wasip1", "wasm", [layer["digest"]])

    # and the same bytes again
    again = run_cargoship(*build, "-o", f"oci:{tmp_path / 'again'}", env={"CARGO_TARGET_DIR": str(tmp_path / "other")})
    assert again.stdout.strip().rpartition("@")[2] == digest


def run_component(program: bytes, root: Path, output: Path) -> str:
    """What a component says that is started with the files of its image."""
    engine = wasmtime.Engine()
    linker = component.Linker(engine)
    linker.add_wasip2()
    store = wasmtime.Store(engine)
    config = wasmtime.WasiConfig()
    config.argv = ["app"]
    config.env = [("GREETING", "hello")]
    config.preopen_dir(str(root), "/")
    config.stdout_file = str(output)
    store.set_wasi(config)
    instance = linker.instantiate(store, component.Component(engine, program))
    (world,) = (name for name in interfaces_of(program).exports if name.startswith("wasi:cli/run@0.2."))
    place = instance.get_export_index(store, "run", instance.get_export_index(store, world))
    assert place is not None
    start = instance.get_func(store, place)
    assert start is not None
    assert start(store).tag == "ok"
    return output.read_text()


def test_a_component_beside_a_module(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """One program, twice: components were left to cargo and rustup."""
    app = project(tmp_path / "app", manifest=MANIFEST, files=FILES)
    download(app)
    layout, files, artifact = tmp_path / "layout", tmp_path / "files", tmp_path / "artifact"
    run_cargoship("build", app, "--platform", "wasi/wasm,wasm32-wasip2", "-o", f"oci:{layout}", "-o", f"rootfs:{files}")
    module = (files / "wasi" / "wasm" / "app" / "app").read_bytes()
    program = files / "wasip2" / "wasm" / "app" / "app"
    assert (wasm_kind(module[:8]), wasm_kind_of(program)) == (WasmKind.MODULE, WasmKind.COMPONENT)
    assert run_wasm(module, files / "wasi" / "wasm", tmp_path / "said") == SAID
    assert run_component(program.read_bytes(), files / "wasip2" / "wasm", tmp_path / "also") == SAID
    assert ".dep-v0" in custom_sections(program)
    assert b"/root/" not in program.read_bytes()

    inspected = json.loads(run_cargoship("inspect", f"oci:{layout}", "--json").stdout)
    assert [each["platform"] for each in inspected["images"]] == ["wasi/wasm", "wasip2/wasm"]
    assert run_cargoship("verify", f"oci:{layout}").stdout.count("can start") == 2

    # the artifact says what it asks of its runtime; the same bytes are linked again
    again = {"CARGO_TARGET_DIR": str(tmp_path / "other")}
    run_cargoship("build", app, "--platform", "wasip2", "-o", f"wasm:{artifact}", "--no-cache", env=again)
    manifest = json.loads(read(artifact, json.loads((artifact / "index.json").read_text())["manifests"][0]["digest"]))
    config = json.loads(read(artifact, manifest["config"]["digest"]))
    assert (config["os"], config["architecture"]) == ("wasip2", "wasm")
    assert any(name.startswith("wasi:filesystem/types@0.2.") for name in config["component"]["imports"])
    assert read(artifact, manifest["layers"][0]["digest"]) == program.read_bytes()


def read(layout: Path, digest: str) -> bytes:
    return (layout / "blobs" / Path(*digest.split(":"))).read_bytes()


def test_what_there_is_not_is_refused(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    app = project(tmp_path / "app")
    cases = [
        (("build", app, "--platform", "wasi/wasm", "--libc", "gnu"), 17, "wasi/wasm has no glibc"),
        (
            ("plan", app, "--platform", "wasi/wasm,wasip2/wasm", "-o", f"wasm:{tmp_path / 'x'}"),
            2,
            "such an artifact is one",
        ),
        (("plan", app, "--platform", "wasm32-wasip3"), 17, "platform wasm32-wasip3 is not known"),
        (("build", app, "--platform", "wasip2/wasm", "--libc", "gnu"), 17, "wasip2/wasm has no glibc"),
        (("build", app, "--platform", "linux/amd64", "-o", f"wasm:{tmp_path / 'x'}"), 2, "not among the platforms"),
        (("pack", app, "--binary", f"wasi/wasm={os.path.realpath('/bin/true')}"), 40, "not a program for wasi/wasm"),
    ]
    for words, code, said in cases:
        done = run_cargoship(*words, check=False)
        assert done.returncode == code
        assert said in done.stderr
    assert not (tmp_path / "x").exists()
