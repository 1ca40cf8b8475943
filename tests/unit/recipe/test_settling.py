"""The lock file of a recipe with some members only: cargo may take out of it, and do nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from cargoship.events import Emit, ignore
from cargoship.process import Command, Completed
from cargoship.recipe.model import CargoManifest, Recipe, Skeleton
from cargoship.recipe.settling import settle_lock
from support.scripted import ScriptedRunner, said


def entry(name: str, *needs: str, version: str = "1.0.0", source: str = 'source = "registry+x"\n') -> str:
    listed = "".join(f' "{each}",\n' for each in needs)
    return f'[[package]]\nname = "{name}"\nversion = "{version}"\n{source}dependencies = [\n{listed}]\n'


def lock(*entries: str) -> str:
    return "version = 4\n\n" + "\n".join(entries)


APP = entry("app", "big", version="0.0.1", source="")
WHOLE = lock(APP, entry("big", "more", "small"), entry("more"), entry("small"))
# what cargo may make of it, and whether that stays
MADE = {
    "less": (lock(APP, entry("big", "small"), entry("small")), True),
    "the same": (WHOLE, True),
    "another version": (lock(APP, entry("big", version="1.0.1")), False),
    "another source": (lock(APP, entry("big", source='source = "git+x"\n')), False),
    "one more": (lock(APP, entry("big", "new"), entry("new")), False),
    "one that needs more": (lock(APP, entry("big", "small"), entry("small", "more"), entry("more")), False),
    "no TOML": ("[[", False),
}


def settled(
    folder: Path, made: str, *, code: int = 0, partial: bool = True, offline: bool = False, emit: Emit = ignore
) -> list[str]:
    """Settle in `folder` with a cargo that writes `made`, and return the options that it was given."""
    (folder / "Cargo.lock").write_text(WHOLE)

    def update(command: Command) -> Completed:
        (Path(str(command.cwd)) / "Cargo.lock").write_text(made)
        return said(code=code, stderr="error: no network\n\nCaused by:\n  rain\n" if code else "")

    runner = ScriptedRunner({("update", "--workspace"): update})
    recipe = Recipe(Skeleton((CargoManifest("Cargo.toml", ""),), lock_file=WHOLE))
    recipe = replace(recipe, partial=True) if partial else recipe
    settle_lock(recipe, folder / "Cargo.toml", cargo=Path("cargo"), runner=runner, env={}, offline=offline, emit=emit)
    return [word for command in runner.commands for word in command.argv]


@pytest.mark.parametrize(("made", "stays"), MADE.values(), ids=MADE)
def test_what_cargo_takes_out_is_out_and_nothing_else_is_changed(tmp_path: Path, made: str, *, stays: bool) -> None:
    settled(tmp_path, made)
    assert (tmp_path / "Cargo.lock").read_text() == (made if stays else WHOLE)


def test_a_cargo_that_fails_leaves_the_lock_file_as_it_was(tmp_path: Path) -> None:
    notes: list[object] = []
    settled(tmp_path, MADE["less"][0], code=101, emit=notes.append)
    assert (tmp_path / "Cargo.lock").read_text() == WHOLE
    (note,) = notes
    assert "error: no network" in str(note)


def test_a_recipe_of_all_members_needs_no_cargo_for_it(tmp_path: Path) -> None:
    assert settled(tmp_path, MADE["less"][0], partial=False) == []


@pytest.mark.parametrize("offline", [True, False])
def test_cargo_asks_the_network_only_where_it_may(tmp_path: Path, *, offline: bool) -> None:
    assert ("--offline" in settled(tmp_path, WHOLE, offline=offline)) == offline
