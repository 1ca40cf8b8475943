"""Which images a commit may have changed: by what was read, by the graph, and where nothing is known by folders."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from cargoship.cargo.git import Since
from cargoship.cargo.git.ask import Git
from cargoship.cargo.project import Binary, Package, Project
from cargoship.oci.digest import Digest
from cargoship.plan import Group
from cargoship.settings.model import Settings
from cargoship.settings.values import Include
from cargoship.touched import Touched
from cargoship.unitcache.keys.file_digests import FileDigests
from cargoship.unitcache.packs.index import UnitEntry, UnitIndex

LOCK = """version = 4
[[package]]
name = "api"
version = "1.0.0"
dependencies = ["core", "serde"]
[[package]]
name = "core"
version = "1.0.0"
dependencies = ["log"]
[[package]]
name = "mail"
version = "1.0.0"
dependencies = ["log"]
[[package]]
name = "log"
version = "0.4.1"
source = "registry+x"
checksum = "aa"
[[package]]
name = "serde"
version = "1.0.0"
source = "registry+x"
checksum = "bb"
"""
MANIFEST = """[workspace]
members = ["api", "mail", "core"]
[profile.release]
lto = true
"""


@dataclass
class Repository:
    """A workspace in a folder: two services, of which one is built with a library, and files beside them."""

    root: Path
    known: bool = True
    """Whether a cache knows what the code as it is was read from."""
    settings: dict[str, Settings] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        files = {
            "Cargo.toml": MANIFEST, "Cargo.lock": LOCK, "README.md": "", "shared/schema.sql": "", "k8s/api.yaml": "",
            **{f"{name}/{file}": name for name in ("api", "mail", "core")
               for file in ("Cargo.toml", "README.md", "src/lib.rs", "src/unused.rs")},
            "api/src/main.rs": "", "mail/src/main.rs": "", "api/static/a.css": "", "api/tests/it.rs": "",
        }  # fmt: skip
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def answer(self, *words: str) -> bytes | None:
        """As git: what a file was."""
        text = self.before.get(words[2].partition(":")[2])
        return None if text is None else text.encode()

    def touched(self, *changed: str) -> list[str]:
        root = self.root
        api, core, mail = (
            Package(f"path+file://{root}/{name}#1.0.0", name, "1.0.0", root / name / "Cargo.toml", root / name,
                    (Binary(name, name),) if name != "core" else (), beside=(root / "core",) if name == "api" else ())
            for name in ("api", "core", "mail")
        )  # fmt: skip
        project = Project(root, root, root / "target", (api, core, mail), (api, mail), None, root / "Cargo.lock")
        contents = FileDigests(root, root / "target")
        entries = [
            self.entry("core 1.0.0 lib x86_64", contents, "core/src/lib.rs"),
            self.entry("api 1.0.0 bin x86_64", contents, "api/src/main.rs", "shared/schema.sql"),
            self.entry("mail 1.0.0 bin x86_64", contents, "mail/src/main.rs", ":all mail"),
        ]
        index = UnitIndex({each.key: each for each in entries} if self.known else {})
        since = Since("c" * 40, frozenset(root / name for name in changed), cast("Git", self))
        settings = {"api": Settings(), "mail": Settings()} | self.settings
        judge = Touched(since, project, settings, index, contents)
        return [each.name for each in (api, mail) if judge.image(Group(each, each.bins))]

    @staticmethod
    def entry(name: str, contents: FileDigests, *inputs: str) -> UnitEntry:
        digests = {path: digest for path in inputs if (digest := contents.digest(path)) is not None}
        assert len(digests) == len(inputs)
        none = Digest.of(b"")
        return UnitEntry(Digest.of(name.encode()), none, 0, 1, none, 1, name, inputs=digests)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path.resolve(), before={"Cargo.toml": MANIFEST, "Cargo.lock": LOCK})


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ([], []),
        (["README.md", "k8s/api.yaml", ".github/workflows/a.yml"], []),
        (["api/README.md", "api/tests/it.rs", "api/src/unused.rs"], []),
        (["api/src/main.rs"], ["api"]),
        (["core/src/lib.rs"], ["api"]),
        (["core/README.md", "core/src/unused.rs"], []),
        (["shared/schema.sql"], ["api"]),
        (["mail/migrations/1.sql"], ["mail"]),
        (["mail/README.md"], []),
        (["mail/Cargo.toml"], ["mail"]),
        (["rust-toolchain.toml"], ["api", "mail"]),
        ([".cargo/config.toml"], ["api", "mail"]),
        (["."], ["api", "mail"]),
    ],
)  # fmt: skip
def test_what_was_read_decides_where_a_cache_knows_it(
    repository: Repository, changed: list[str], expected: list[str]
) -> None:
    assert repository.touched(*changed) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (["api/src/unused.rs"], ["api"]),
        (["core/src/unused.rs"], ["api"]),
        (["mail/src/anything.rs"], ["mail"]),
        (["shared/schema.sql"], ["api", "mail"]),
        ([".github/workflows/a.yml", ".gitignore"], []),
    ],
)
def test_where_nothing_is_known_folders_decide_and_what_is_nobodys_counts(
    repository: Repository, changed: list[str], expected: list[str]
) -> None:
    repository.known = False
    assert repository.touched(*changed) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (LOCK.replace("bb", "cc"), ["api"]),
        (LOCK.replace("0.4.1", "0.4.2"), ["api", "mail"]),
        (LOCK + '[[package]]\nname = "unused"\nversion = "1.0.0"\n', []),
        ("no toml [", ["api", "mail"]),
    ],
)
def test_a_lock_file_counts_for_those_whose_dependencies_it_changes(
    repository: Repository, now: str, expected: list[str]
) -> None:
    (repository.root / "Cargo.lock").write_text(now)
    assert repository.touched("Cargo.lock") == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (MANIFEST.replace('"core"]', '"core", "new"]'), []),
        ("# a comment\n" + MANIFEST, []),
        (MANIFEST.replace("true", "false"), ["api", "mail"]),
        (MANIFEST + "[workspace.metadata.cargoship]\nuser = 'root'\n", ["api", "mail"]),
        ("[", ["api", "mail"]),
    ],
)
def test_a_workspaces_manifest_counts_for_what_it_says_of_all(
    repository: Repository, now: str, expected: list[str]
) -> None:
    (repository.root / "Cargo.toml").write_text(now)
    assert repository.touched("Cargo.toml") == expected


def test_what_an_image_has_beside_its_programs_counts(repository: Repository) -> None:
    included = Settings(include=(Include("static/**", "/s/"), Include("../k8s/api.yaml", "/k")))
    repository.settings = {"api": included, "mail": replace(Settings(), base="oci:../shared")}
    assert repository.touched("api/static/new.css") == ["api"]
    assert repository.touched("k8s/api.yaml") == ["api"]
    assert repository.touched("shared/index.json") == ["mail"]
