"""What a recipe leaves out of a manifest: versions of local packages, and everything that compiles nothing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from cargoship.recipe.document import Table, as_table
from cargoship.recipe.gather import DEPENDENCIES, normalized_path
from cargoship.recipe.lock import MASKED
from cargoship.recipe.placing import Placing

# Said to people and registries. A key that is not known here stays: it might matter to cargo.
_DESCRIPTIVE = (
    "authors",
    "categories",
    "description",
    "documentation",
    "exclude",
    "homepage",
    "include",
    "keywords",
    "license",
    "license-file",
    "metadata",
    "publish",
    "readme",
    "repository",
)
# A dummy source would not pass them; and lints change nothing for dependencies.
_LINTS = ("lints", "badges")


def without_words(manifest: Table) -> Table:
    """The manifest without what is for people only, and without lints."""
    made = {key: value for key, value in manifest.items() if key not in _LINTS}
    if "project" in made:
        made["package"] = made.pop("project")
    if "package" in made:
        made["package"] = _plain(as_table(made["package"]))
    if "workspace" in made:
        workspace = {
            key: value for key, value in as_table(made["workspace"]).items() if key not in {*_LINTS, "metadata"}
        }
        if "package" in workspace:
            workspace["package"] = _plain(as_table(workspace["package"]))
        made["workspace"] = workspace
    return made


def _plain(package: Table) -> Table:
    return {key: value for key, value in package.items() if key not in _DESCRIPTIVE}


def masked_package(package: Table, version: str | None) -> Table:
    """The [package] table with its version masked, or with `version` where it is to be kept."""
    written = package.get("version")
    if version is not None:
        return {**package, "version": version}
    if isinstance(written, dict) and written.get("workspace") is True:
        return package
    # one that has none is 0.0.0 to cargo, and in the lock file
    return {**package, "version": MASKED}


def map_dependencies(holder: Table, change: Callable[[Any], Any]) -> Table:
    """Apply `change` to every dependency of a manifest, those of targets included."""
    made = dict(holder)
    for key in DEPENDENCIES:
        if key in made:
            made[key] = {name: change(entry) for name, entry in as_table(made[key]).items()}
    if "target" in made:
        made["target"] = {
            name: map_dependencies(as_table(each), change) for name, each in as_table(made["target"]).items()
        }
    return made


def rewritten(entry: Any, *, start: Path, placing: Placing, keep: Collection[Path]) -> Any:  # noqa: ANN401 - any TOML
    """A dependency of the manifest in `start`, as it is in the recipe: path as placed, version masked if local."""
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        return entry
    folder = normalized_path(start / entry["path"])
    made = {**entry, "path": placing.between(start, folder)}
    if "version" in made and folder not in keep:
        made["version"] = MASKED
    return made
