"""Variants of a platform: images of one index for newer processors, each of programs that such a processor has."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.programs import RunCargoship, distribution_rust, program, run
from support.projects import project

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("variants")]

_MAIN = """extern "C" { fn level_of_c() -> i32; }
fn main() {
    let rust = if cfg!(target_feature = "avx512f") { 4 } else if cfg!(target_feature = "avx2") { 3 }
        else if cfg!(target_feature = "sse4.2") { 2 } else { 1 };
    let c = unsafe { level_of_c() };
    let one: f64 = std::env::args().count() as f64;
    println!("rust {rust} c {c} kept {} {}", cfg!(kept), std::hint::black_box(one).mul_add(2.0, 1.0));
}
"""
_C = """int level_of_c(void) {
#if defined(__AVX512F__)
    return 4;
#elif defined(__AVX2__)
    return 3;
#elif defined(__SSE4_2__)
    return 2;
#else
    return 1;
#endif
}
"""
_BUILD = 'fn main() { cc::Build::new().file("src/level.c").compile("level"); }\n'
_MANIFEST = """[package]
name = "app"
version = "1.0.0"
edition = "2021"

[build-dependencies]
cc = "1"

[lints.rust]
unexpected_cfgs = "allow"
"""
# the newest cc crate looks at all variables: this one would differ from test to test
ENV = {"PYTEST_CURRENT_TEST": ""}
LEVELS = ("linux/amd64", "linux/amd64/v2", "linux/amd64/v3")
_KEPT = "[build]\nrustflags = ['--cfg', 'kept']\n"


def app(folder: Path, **more: str) -> Path:
    """A program that says for which level its Rust and its C were compiled."""
    files = {"Cargo.toml": _MANIFEST, "build.rs": _BUILD, "src/main.rs": _MAIN, "src/level.c": _C, **more}
    return project(folder, files=files)


def said(path: Path, cpu: str) -> str | int:
    """What a program says on a processor, or how it ends there."""
    done = subprocess.run(
        [program("qemu-x86_64-static"), "-cpu", cpu, path], capture_output=True, check=False, text=True
    )
    return done.returncode or done.stdout.strip()


def blob(layout: Path, digest: str) -> dict[str, Any]:
    """A document of a layout."""
    return json.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())  # type: ignore[no-any-return]


def platforms_of(layout: Path) -> list[str]:
    """The platforms of an image in a layout, as its index has them and in its order; its configs must say the same."""
    index = blob(layout, json.loads((layout / "index.json").read_text())["manifests"][0]["digest"])
    found = []
    for entry in (each for each in index["manifests"] if each["platform"]["os"] != "unknown"):
        at = entry["platform"]
        config = blob(layout, blob(layout, entry["digest"])["config"]["digest"])
        assert {key: config.get(key) for key in at} == at
        found.append("/".join(at[key] for key in ("os", "architecture", "variant") if key in at))
    return found


@pytest.fixture(scope="module")
def built(run_cargoship: RunCargoship, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A project, the layout that it was built to for levels of amd64, and what was said of that."""
    folder = tmp_path_factory.mktemp("variants")
    # flags of one's own stay beside the processor
    code = app(folder / "app", **{".cargo/config.toml": _KEPT})
    # without a lock file nothing is known of a build as a whole
    run("cargo", "generate-lockfile", cwd=code, env=distribution_rust())
    # the order in which they are named does not matter
    named = ",".join(reversed(LEVELS))
    done = run_cargoship("build", code, "--platform", named, "-o", f"oci:{folder}/image", env=ENV)
    return code, folder / "image", done.stderr


def test_each_is_compiled_for_its_level(
    run_cargoship: RunCargoship, built: tuple[Path, Path, str], tmp_path: Path
) -> None:
    code, image, stderr = built
    assert platforms_of(image) == list(LEVELS)
    assert "Compiling 1 target for x86-64-v3" in stderr or "for x86-64-v3 has changed since an earlier" in stderr
    found = {}
    for number, platform in enumerate(LEVELS, 1):
        target = tmp_path / str(number)
        done = run_cargoship("build", code, "--platform", platform, "-o", f"rootfs:{target}", env=ENV)
        # each level is a build of its own, and was made
        assert "has changed since an earlier build" in done.stderr
        found[platform] = next(target.rglob("app/app"))
    old, middle, new = found.values()
    assert [said(each, "max") for each in (old, middle, new)] == [f"rust {n} c {n} kept true 3" for n in (1, 2, 3)]
    assert said(old, "core2duo") == "rust 1 c 1 kept true 3"
    assert said(middle, "Nehalem") == "rust 2 c 2 kept true 3"
    assert said(new, "Haswell") == "rust 3 c 3 kept true 3"
    assert said(new, "Nehalem") == -signal.SIGILL


def test_the_highest_level_is_compiled_and_needs_what_it_says(
    run_cargoship: RunCargoship, built: tuple[Path, Path, str], tmp_path: Path
) -> None:
    code, _, _ = built
    run_cargoship("build", code, "--platform", "linux/amd64/v4", "-o", f"rootfs:{tmp_path}", env=ENV)
    program_ = next(tmp_path.rglob("app/app"))
    # no processor of QEMU's has AVX-512: some machines have
    has = "avx512vl" in Path("/proc/cpuinfo").read_text().split()
    assert said(program_, "Haswell") == -signal.SIGILL
    ended = subprocess.run([program_], capture_output=True, check=False, text=True)
    assert (ended.returncode, ended.stdout) == ((0, "rust 4 c 4 kept true 3\n") if has else (-signal.SIGILL, ""))


def test_judges_of_the_index(built: tuple[Path, Path, str], run_cargoship: RunCargoship, tmp_path: Path) -> None:
    _, image, _ = built
    words = ("--override-os", "linux", "--override-arch", "amd64")
    digests = {}
    for variant in ("", "v2", "v3"):
        chosen = (*words, "--override-variant", variant) if variant else words
        run("skopeo", *chosen, "copy", f"oci:{image}", f"oci:{tmp_path}/{variant or 'v1'}:latest")
        index = json.loads((tmp_path / (variant or "v1") / "index.json").read_text())
        digests[variant] = index["manifests"][0]["digest"]
        config = blob(
            tmp_path / (variant or "v1"), blob(tmp_path / (variant or "v1"), digests[variant])["config"]["digest"]
        )
        assert config.get("variant", "") == variant
        run(
            "umoci", "unpack", "--rootless", "--image", f"{tmp_path}/{variant or 'v1'}:latest", f"{tmp_path}/u{variant}"
        )
        assert list((tmp_path / f"u{variant}").glob("rootfs/app/app"))
    assert len(set(digests.values())) == 3
    assert run_cargoship("verify", f"oci:{image}").returncode == 0


def test_folders_that_would_lie_in_one_another(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    words = ("--platform", "linux/amd64,linux/amd64/v3", "-o", f"rootfs:{tmp_path}/out")
    done = run_cargoship("build", project(tmp_path / "app"), *words, check=False)
    assert done.returncode == 2
    assert "the files of linux/amd64/v3 would be among those of linux/amd64" in done.stderr
    assert not (tmp_path / "out").exists()
