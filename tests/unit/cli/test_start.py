"""What is loaded when: start-up is paid by every command, so it is kept short."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cargoship.oci.layout import write_layout
from cargoship.testing import InMemoryRegistry
from support.images import AMD64, small_index
from support.programs import unmeasured

SCRIPT = """
import sys
from cargoship.cli.main import main
code = main(sys.argv[1:])
sys.stderr.write(" ".join(sys.modules))
sys.exit(code)
"""
OURS = {
    "cargoship",
    "cargoship.cli",
    "cargoship.cli.failing",
    "cargoship.cli.failing.interrupts",
    "cargoship.cli.groups",
    "cargoship.cli.main",
    "cargoship.cli.paint",
    "cargoship.cli.render",
    "cargoship.cli.render.renderer",
    "cargoship.cli.session",
    "cargoship.cli.streams",
    "cargoship.cli.table",
    "cargoship.errors",
    "cargoship.printable",
    "cargoship.version",
}


def loaded(*argv: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *argv], env=unmeasured(), capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("argv", [("--version",), ("-V",)])
def test_the_version_loads_click_and_little_else(argv: tuple[str, ...]) -> None:
    modules = loaded(*argv)
    assert {name for name in modules if name.split(".")[0] == "cargoship"} == OURS
    foreign = {name.split(".")[0] for name in modules} - sys.stdlib_module_names
    foreign = {name for name in foreign if not name.startswith(("_", "sitecustomize"))}
    assert foreign == {"cargoship", "click", "rich_click"}
    # the parts of the standard library that are slow to load
    assert modules.isdisjoint({"asyncio", "email", "importlib.metadata", "logging", "ssl", "subprocess"})


def test_signals_are_taken_over_before_anything_else_is_loaded() -> None:
    """Ctrl-C in the first 60 ms ended in Python's traceback: `typing` and all errors were loaded before."""
    script = "import sys; before = {*sys.modules}; from cargoship.cli.main import main; print(*{*sys.modules} - before)"
    done = subprocess.run(
        # -S: what an environment loads for itself is not counted
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {script}"],
        env=unmeasured(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    modules = set(done.stdout.split())
    assert {name for name in modules if name.split(".")[0] == "cargoship"} == {
        "cargoship", "cargoship.cli", "cargoship.cli.failing", "cargoship.cli.failing.interrupts", "cargoship.cli.main",
        "cargoship.version",
    }  # fmt: skip
    assert modules.isdisjoint({"re", "typing", "contextlib", "inspect", "importlib", "dataclasses"})


def test_help_loads_no_pipeline() -> None:
    modules = loaded("build", "--help")
    assert modules.isdisjoint({"cargoship.pipeline", "cargoship.plan", "cargoship.settings", "msgspec"})


def test_the_overview_loads_commands_and_nothing_that_they_work_with() -> None:
    modules = loaded("--help")
    assert modules.isdisjoint({"cargoship.pipeline", "cargoship.plan", "cargoship.settings", "msgspec"})
    assert modules.isdisjoint({"asyncio", "logging", "ssl", "subprocess", "typing_extensions"})


def test_a_copy_loads_what_it_copies_with_and_nothing_that_builds() -> None:
    with InMemoryRegistry() as registry:
        script = SCRIPT.replace("code = main(", "code = 0 * main(")
        done = subprocess.run(
            [sys.executable, "-c", script, "copy", f"{registry.host}/a:1", f"{registry.host}/b:1"],
            env=unmeasured(), capture_output=True, text=True, check=True,
        )  # fmt: skip
    modules = set(done.stderr.split())
    assert {"cargoship.registry.copy", "httpcore2"} <= modules
    ours = {name.split(".")[1] for name in modules if name.startswith("cargoship.")}
    assert ours.isdisjoint({"pipeline", "plan", "settings", "toolchain", "cargo", "elf", "bases", "debian", "assemble"})
    assert modules.isdisjoint({"tarfile", "elftools", "tomlkit", "jinja2", "rich", "httpx2"})


def test_a_copy_from_a_layout_loads_nothing_that_makes_layers(tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", small_index(tmp_path / "blobs", (AMD64,)), names=[])
    with InMemoryRegistry() as registry:
        script = SCRIPT.replace("code = main(", "code = 0 * main(")
        done = subprocess.run(
            [sys.executable, "-c", script, "copy", f"oci:{tmp_path / 'layout'}", f"{registry.host}/b:1"],
            env=unmeasured(), capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert registry.tags("b")
    modules = set(done.stderr.split())
    assert modules.isdisjoint({"tarfile", "zlib_ng", "concurrent.futures", "logging.handlers", "httpx2"})


def test_the_package_loads_nothing_until_it_is_used() -> None:
    script = "import cargoship, sys; cargoship.__version__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    ours = {name for name in done.stdout.split() if name.split(".")[0] == "cargoship"}
    assert ours == {"cargoship", "cargoship.version"}
