"""What of a machine's files goes along with a call, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.execution.call import RustcCall, StaysHere, read_call
from cargoship.execution.inputs import CallInputs, SourceFolders, moved_variables, variables

BAR, MACRO, DEEP = "00000000000000aa", "00000000000000bb", "00000000000000cc"


class Machine:
    """A workspace, and a registry's sources, as cargo has them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ws, self.registry = root / "ws", root / "registry"
        self.deps, self.host = self.ws / "target/t/release/deps", self.ws / "target/release/deps"
        for folder in (self.deps, self.host, self.ws / "src", self.registry / "foo-1.0/src"):
            folder.mkdir(parents=True)
        self.write("ws/src/lib.rs", 'mod a;\nconst T: &str = include_str!("../text.md");\n')
        self.write("ws/src/a.rs", "")
        self.write("ws/text.md", "a text")
        self.write("ws/.env", "SECRET=1")
        self.write("ws/Cargo.toml", "")
        self.write("registry/foo-1.0/src/lib.rs", "")
        self.write("registry/foo-1.0/README.md", "")
        self.rmeta("bar", BAR, DEEP)
        self.rmeta("deep", DEEP)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def rmeta(self, name: str, suffix: str, *needs: str) -> None:
        (self.deps / f"lib{name}-{suffix}.rmeta").write_bytes(b"rust\0" + b"".join(b"-" + n.encode() for n in needs))

    def call(self, *more: str, source: str = "ws/src/lib.rs", env: dict[str, str] | None = None) -> RustcCall:
        path = self.root / source
        argv = (
            *("--crate-name", "foo", str(path), "--crate-type", "lib", "--emit=dep-info,metadata,link"),
            *("-C", "extra-filename=-0123456789abcdef", "--out-dir", str(self.deps), "--target", "t"),
            *("-L", f"dependency={self.deps}", "-L", f"dependency={self.host}"),
            *("--extern", f"bar={self.deps}/libbar-{BAR}.rmeta"),
            *more,
        )
        return read_call(argv, str(self.ws), {"CARGO_MANIFEST_DIR": str(path.parent.parent), **(env or {})})

    def files(self, call: RustcCall) -> set[str]:
        found = CallInputs(SourceFolders((f"{self.registry}/",), (f"{self.ws}/",))).files(call)
        return {str(Path(path).relative_to(self.root)) for path in found}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


CRATES = {f"ws/target/t/release/deps/libbar-{BAR}.rmeta", f"ws/target/t/release/deps/libdeep-{DEEP}.rmeta"}


def test_of_the_workspace_only_what_is_read_goes_along(machine: Machine) -> None:
    assert machine.files(machine.call()) == {"ws/src/lib.rs", "ws/src/a.rs", "ws/text.md", *CRATES}


def test_what_rustc_read_the_last_time_goes_along_too(machine: Machine) -> None:
    machine.write("ws/data/table.bin", "")
    machine.write("outside.rs", "")
    machine.write("ws/target/t/release/deps/foo-0123456789abcdef.d", "x: src/lib.rs data/table.bin ../outside.rs\n")
    assert machine.files(machine.call()) == {
        *("ws/src/lib.rs", "ws/src/a.rs", "ws/text.md", "ws/data/table.bin"), *CRATES
    }  # fmt: skip


def test_a_package_of_a_registry_goes_along_as_it_was_published(machine: Machine) -> None:
    (machine.registry / "foo-1.0/link").symlink_to(machine.ws / ".env")
    found = machine.files(machine.call(source="registry/foo-1.0/src/lib.rs"))
    assert found == {"registry/foo-1.0/src/lib.rs", "registry/foo-1.0/README.md", *CRATES}


def test_procedural_macros_go_along(machine: Machine) -> None:
    macro = machine.host / f"libmacro-{MACRO}.so"
    macro.write_bytes(b"")
    machine.rmeta("bar", BAR, DEEP, MACRO)
    expected = {*CRATES, f"ws/target/release/deps/{macro.name}"}
    assert expected < machine.files(machine.call())
    assert expected < machine.files(machine.call(source="registry/foo-1.0/src/lib.rs"))


def test_sources_from_elsewhere_stay_here(machine: Machine) -> None:
    machine.write("vendor/src/lib.rs", "")
    with pytest.raises(StaysHere, match="not in the workspace"):
        machine.files(machine.call(source="vendor/src/lib.rs"))


def test_what_a_build_script_has_said_and_written_goes_along(machine: Machine) -> None:
    out = machine.ws / "target/t/release/build/foo-1/out"
    machine.write("ws/target/t/release/build/foo-1/out/made.rs", "")
    machine.write("ws/target/t/release/build/foo-1/out/code.o", "")
    machine.write("ws/target/t/release/build/foo-1/out/libc_part.a", "")
    machine.write("ws/target/t/release/build/foo-1/output", "cargo::rustc-env=SET=1\ncargo:rustc-env=OTHER=2\n")
    env = {"OUT_DIR": str(out), "SET": "1", "OTHER": "2", "TOKEN": "secret", "CARGO_REGISTRY_TOKEN": "secret"}
    call = machine.call("-L", f"native={out}", "-l", "static=c_part", env=env)
    found = machine.files(call)
    assert {"ws/target/t/release/build/foo-1/out/made.rs", "ws/target/t/release/build/foo-1/out/libc_part.a"} < found
    assert not any(path.endswith((".o", "output")) for path in found)
    seen = variables(call)
    assert set(seen) == {"CARGO_MANIFEST_DIR", "OUT_DIR", "OTHER", "SET"}
    assert moved_variables(seen) == {"CARGO_MANIFEST_DIR", "OUT_DIR"}


@pytest.mark.parametrize(
    "place", ["home/.ssh/out", "ws/target/t/release/build/../../../../../home/out", "ws/target/t/build/foo-1/tmp"]
)
def test_another_folder_is_no_out_dir(machine: Machine, place: str) -> None:
    """A build script can give rustc any variable."""
    machine.write("home/.ssh/out/id", "a secret")
    with pytest.raises(StaysHere, match="where cargo puts it"):
        machine.files(machine.call(env={"OUT_DIR": f"{machine.root}/{place}"}))


def test_sources_are_those_of_cargo_and_of_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "real")
    found = SourceFolders.of({"CARGO_HOME": f"{tmp_path}/home"}, tmp_path / "ws")
    assert found.workspace == (f"{tmp_path}/ws/",)
    assert set(found.pinned) == {
        f"{tmp_path}/{home}/{kind}/" for home in ("home", "real") for kind in ("registry/src", "git/checkouts")
    }


def test_a_static_library_that_is_not_there_stays_here(machine: Machine) -> None:
    with pytest.raises(StaysHere, match="its library gone"):
        machine.files(machine.call("-l", "static=gone"))
