"""The real git, asked about one's own repositories, strangers' repositories, and those that would have programs run."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cargoship.cargo.git import GitFacts, read_checkout, read_git_facts
from cargoship.events import Note
from cargoship.process import SystemRunner

pytestmark = pytest.mark.tools

GITS = sorted({str(Path(folder) / "git") for folder in ("/usr/bin", "/usr/local/bin") if Path(folder, "git").exists()})
"""Versions differ in what they start, and in what they can be made not to."""
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"
TIME = 1000000000


@dataclass
class Desk:
    """A folder, a git, a user's configuration, and a file that appears when a program is started."""

    folder: Path
    git: str
    notes: list[str] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        home = str(self.folder / "home")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return {**kept, "HOME": home, "XDG_CONFIG_HOME": home, "PATH": f"{Path(self.git).parent}:{kept['PATH']}"}

    @property
    def root(self) -> Path:
        return self.folder / "repository"

    @property
    def canary(self) -> Path:
        return self.folder / "canary"

    @property
    def program(self) -> str:
        """What makes the canary, and what it gets its own output."""
        return f"touch {self.canary}; cat"

    @property
    def script(self) -> str:
        path = self.folder / "program"
        path.write_text(f"#!/bin/sh\ntouch {self.canary}\nexit 1\n")
        path.chmod(0o755)
        return str(path)

    def run(self, *words: str, cwd: Path | None = None, check: bool = True, stdin: str = "") -> str:
        times = {"GIT_AUTHOR_DATE": f"{TIME} +0000", "GIT_COMMITTER_DATE": f"{TIME} +0000", "GIT_TERMINAL_PROMPT": "0"}
        done = subprocess.run(
            [self.git, "-c", "protocol.file.allow=always", *words],
            cwd=cwd or self.root, env={**self.env, **times}, check=check, capture_output=True, text=True, input=stdin,
        )  # fmt: skip
        return done.stdout.removesuffix("\n")

    def config(self, name: str, value: str, *scope: str, cwd: Path | None = None) -> None:
        self.run("config", *scope, name, value, cwd=cwd)

    def facts(self, folder: Path | None = None, env: Mapping[str, str] | None = None) -> GitFacts | None:
        reported: list[Note] = []
        facts = read_git_facts(
            SystemRunner(), folder or self.root, env={**self.env, **(env or {})}, tell=reported.append
        )
        self.notes = [note.text for note in reported]
        return facts

    def changed(self) -> tuple[str, ...]:
        facts = self.facts()
        assert facts is not None
        return facts.changed

    def touch(self, *names: str, root: Path | None = None) -> None:
        """Let files look changed to git until their contents are compared."""
        for name in names:
            os.utime((root or self.root) / name, (1, 1))


def init(desk: Desk, root: Path, **files: str) -> None:
    root.mkdir(parents=True)
    desk.run("init", "-q", "-b", "main", cwd=root)
    for name, text in files.items():
        (root / name.replace("_", ".")).write_text(text)
    commit(desk, root)


def commit(desk: Desk, root: Path) -> None:
    desk.run("add", "-A", cwd=root)
    desk.run("commit", "-q", "-m", "first", cwd=root)


@pytest.fixture(params=GITS)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    made = Desk(tmp_path, request.param)
    (tmp_path / "home").mkdir()
    made.config("user.name", "A", "--global", cwd=tmp_path)
    made.config("user.email", "a@example.com", "--global", cwd=tmp_path)
    return made


def give_away(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        os.chown(path, 1234, 1234, follow_symlinks=False)


# What a repository can have git start. Each returns what git itself, asked plainly, starts it by, and from where.


def clean_filter(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait", _gitattributes="* filter=e=vil")
    desk.config("filter.e=vil.clean", desk.program)
    desk.config("filter.e=vil.required", "true")
    desk.touch("bait.txt")
    return ("status",)


def process_filter(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait", _gitattributes="* filter=evil")
    desk.config("filter.evil.process", desk.program)
    desk.touch("bait.txt")
    return ("status",)


def lfs_filter(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait", _gitattributes="* filter=lfs")
    desk.config("filter.lfs.clean", desk.program)
    desk.touch("bait.txt")
    return ("status",)


def filter_of_a_users_name(desk: Desk) -> tuple[str, ...]:
    desk.config("filter.mine.clean", "cat", "--global", cwd=desk.folder)
    init(desk, desk.root, bait_txt="bait", _gitattributes="* filter=mine")
    desk.config("filter.mine.clean", desk.program)
    desk.touch("bait.txt")
    return ("status",)


def filter_without_a_name(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait", _gitattributes="* filter=")
    with (desk.root / ".git/config").open("a") as config:
        config.write(f'[FILTER ""]\nCLEAN = "{desk.program}"\n')
    desk.touch("bait.txt")
    return ("status",)


def smudge_filter(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait", _gitattributes="bait.txt filter=evil")
    desk.config("filter.evil.smudge", desk.program)
    (desk.root / "bait.txt").unlink()
    return ("checkout", "--", "bait.txt")


def fsmonitor(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait")
    desk.config("core.fsmonitor", desk.script)
    return ("status",)


def included(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait", config_txt=f"[core]\nfsmonitor = {desk.script}\n")
    desk.config("include.path", "../config.txt")
    return ("status",)


def included_for_a_folder(desk: Desk) -> tuple[str, ...]:
    text = f'[filter "evil"]\nclean = "{desk.program}"\n'
    init(desk, desk.root, bait_txt="bait", config_txt=text, _gitattributes="bait.txt filter=evil")
    desk.config(f"includeIf.gitdir:{desk.root}/.path", "../config.txt")
    desk.touch("bait.txt")
    return ("status",)


def hook(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait")
    shutil.copy(desk.script, desk.root / ".git/hooks/post-index-change")
    desk.touch("bait.txt")
    return ("status",)


def hooks_elsewhere(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait")
    (desk.root / "hooks").mkdir()
    shutil.copy(desk.script, desk.root / "hooks/post-index-change")
    desk.config("core.hooksPath", "hooks")
    desk.touch("bait.txt")
    return ("status",)


def pager(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait")
    for name in ("core.pager", "pager.log", "pager.status", "pager.config"):
        desk.config(name, desk.program)
    # a pager wants a terminal
    return ("-c", "alias.evil=!script -qec 'git log' /dev/null", "evil")


def alias(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait")
    for name in ("evil", "log", "status", "config", "rev-parse", "ls-files", "check-attr", "cat-file", "symbolic-ref"):
        desk.config(f"alias.{name}", f"!{desk.program}")
    return ("evil",)


def external_diff(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait")
    desk.config("diff.external", desk.script)
    (desk.root / "bait.txt").write_text("changed")
    return ("diff",)


def textconv(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait", _gitattributes="* diff=evil")
    desk.config("diff.evil.textconv", desk.script)
    (desk.root / "bait.txt").write_text("changed")
    return ("diff",)


def signature(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait")
    plain = desk.run("cat-file", "commit", "HEAD")
    signed = plain.replace("\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n -----END PGP SIGNATURE-----\n\n", 1) + "\n"
    made = desk.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=signed)
    desk.run("update-ref", "HEAD", made)
    desk.config("gpg.program", desk.script)
    desk.config("log.showSignature", "true")
    return ("log", "-1")


def ssh(desk: Desk) -> tuple[str, ...]:
    return partial_clone(desk, "ssh://127.0.0.1/x", ("core.sshCommand", desk.script))


def ext(desk: Desk) -> tuple[str, ...]:
    return partial_clone(desk, f"ext::sh -c touch% {desk.canary}", ("protocol.ext.allow", "always"))


def upload_pack(desk: Desk) -> tuple[str, ...]:
    return partial_clone(desk, str(desk.root), ("remote.origin.uploadpack", desk.program))


def proxy(desk: Desk) -> tuple[str, ...]:
    return partial_clone(desk, "git://127.0.0.1:9/x", ("core.gitProxy", desk.script))


def remote_helper(desk: Desk) -> tuple[str, ...]:
    helper = desk.folder / "home/git-remote-evil"
    shutil.copy(desk.script, helper)
    wanted = partial_clone(desk, "x", ("remote.origin.vcs", "evil"))
    desk.config("core.sshCommand", "true")
    # a helper has to be on PATH, as those of git-annex and others are
    return ("-c", f"alias.evil=!PATH={helper.parent}:$PATH git {' '.join(wanted)}", "evil")


def partial_clone(desk: Desk, url: str, setting: tuple[str, str]) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait")
    tree = desk.run("rev-parse", "HEAD^{tree}")
    (desk.root / ".git/objects" / tree[:2] / tree[2:]).unlink()
    for name, value in (
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.url", url),
        ("remote.origin.promisor", "true"),
        ("remote.origin.partialCloneFilter", "tree:0"),
        setting,
    ):
        desk.config(name, value)
    return ("status",)


def asked_password(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait")
    desk.config("core.askPass", desk.script)
    return ("credential", "fill")


def credential_helper(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait")
    desk.config("credential.helper", f"!{desk.program}")
    return ("credential", "fill")


def submodule(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.folder / "inner", bait_txt="bait", _gitattributes="* filter=evil")
    init(desk, desk.root, outer_txt="outer")
    desk.run("submodule", "--quiet", "add", str(desk.folder / "inner"), "sub")
    commit(desk, desk.root)
    sub = desk.root / "sub"
    desk.config("core.fsmonitor", desk.script, cwd=sub)
    desk.config("filter.evil.clean", desk.program, cwd=sub)
    desk.touch("bait.txt", root=sub)
    return ("status",)


def summarized_submodule(desk: Desk) -> tuple[str, ...]:
    submodule(desk)
    desk.config("status.submoduleSummary", "true")
    return ("status",)


def linked_worktree(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.folder / "main", bait_txt="bait")
    desk.run("worktree", "add", "-q", str(desk.root), cwd=desk.folder / "main")
    desk.config("extensions.worktreeConfig", "true")
    desk.config("core.fsmonitor", desk.script, "--worktree")
    return ("status",)


def files_elsewhere(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.root, bait_txt="bait")
    (desk.folder / "elsewhere").mkdir()
    desk.config("core.worktree", str(desk.folder / "elsewhere"))
    desk.config("core.fsmonitor", desk.script)
    return ("--git-dir=.git", "status")


def bare_among_files(desk: Desk) -> tuple[str, ...]:
    init(desk, desk.folder / "inner", bait_txt="bait")
    desk.config("core.fsmonitor", desk.script, cwd=desk.folder / "inner")
    desk.config("core.worktree", ".", cwd=desk.folder / "inner")
    # no .git here: HEAD, config, objects and refs lie among a project's own files
    (desk.folder / "inner/.git").rename(desk.root)
    return ("status",)


ATTACKS: tuple[Callable[[Desk], tuple[str, ...]], ...] = (
    alias, asked_password, bare_among_files, clean_filter, credential_helper, ext, external_diff, files_elsewhere,
    filter_of_a_users_name, filter_without_a_name,
    fsmonitor, hook, hooks_elsewhere, included, included_for_a_folder, lfs_filter,
    linked_worktree, pager, process_filter, proxy, remote_helper, signature, smudge_filter, ssh, submodule,
    summarized_submodule, textconv, upload_pack,
)  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_nothing_that_a_repository_names_is_started(desk: Desk, attack: Callable[[Desk], tuple[str, ...]]) -> None:
    provoked = attack(desk)
    helpers = {"PATH": f"{desk.folder}/home:{desk.env['PATH']}"}
    desk.facts(env=helpers)
    read_checkout(SystemRunner(), desk.root, env={**desk.env, **helpers})
    assert not desk.canary.exists()
    desk.run(*provoked, check=False, stdin="protocol=https\nhost=127.0.0.1\n\n")
    assert desk.canary.exists(), "git itself does not start it either: this attack shows nothing"


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_nothing_that_a_strangers_repository_names_is_started(
    desk: Desk, attack: Callable[[Desk], tuple[str, ...]]
) -> None:
    attack(desk)
    for folder in (desk.root, desk.folder / "main"):
        if folder.exists():
            give_away(folder)
    own = desk.root / "own"
    own.mkdir(exist_ok=True)
    assert desk.facts(own) is None
    assert read_checkout(SystemRunner(), own, env=desk.env) is None
    assert not desk.canary.exists()


def test_somebody_elses_repository_is_read_with_consent_alone(desk: Desk) -> None:
    init(desk, desk.root, a_txt="a")
    give_away(desk.root)
    assert desk.facts() is None
    consent = f"git config --global --add safe.directory {desk.root}"
    reported = f"git does not read {desk.root}, which belongs to another user, so nothing of it is written into images"
    assert desk.notes == [f"{reported}; if you trust it: {consent}"]
    subprocess.run(consent, shell=True, check=True, cwd=desk.folder, env=desk.env)  # noqa: S602 - as a person does
    assert desk.facts() is not None
    assert desk.notes == []


def test_consent_in_variables_counts(desk: Desk) -> None:
    init(desk, desk.root, a_txt="a")
    give_away(desk.root)
    given = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": str(desk.root)}
    assert desk.facts(env=given) is not None


def test_a_git_that_does_not_tell_scopes_runs_no_filter(desk: Desk, tmp_path: Path) -> None:
    clean_filter(desk)
    old = tmp_path / "old/git"
    old.parent.mkdir()
    old.write_text(f'#!/bin/sh\ncase "$*" in *--show-scope*) exit 129;; esac\nexec {desk.git} "$@"\n')
    old.chmod(0o755)
    assert desk.facts(env={"PATH": f"{old.parent}:{desk.env['PATH']}"}) is not None
    assert not desk.canary.exists()
    old.write_text(f'#!/bin/sh\ncase "$*" in *config*--list*) exit 129;; esac\nexec {desk.git} "$@"\n')
    assert desk.facts(env={"PATH": f"{old.parent}:{desk.env['PATH']}"}) is None
    assert not desk.canary.exists()


def test_somebody_elses_submodule_is_not_read(desk: Desk) -> None:
    submodule(desk)
    give_away(desk.root / "sub")
    assert desk.changed() == ("sub",)
    assert [note for note in desk.notes if "git config --global --add safe.directory" in note] == desk.notes
    assert len(desk.notes) == 1


def test_facts_of_a_repository(desk: Desk) -> None:
    (desk.root / "src").mkdir(parents=True)
    assert desk.facts() is None
    desk.run("init", "-q", "-b", "main")
    assert desk.facts() is None
    (desk.root / "src/main.rs").write_text("fn main() {}")
    commit(desk, desk.root)
    desk.run("tag", "v1")
    desk.run("tag", "-m", "annotated", "v2.0")
    desk.run("remote", "add", "origin", "https://me:secret@example.com/me/one.git")
    desk.config("log.excludeDecoration", "*")
    (desk.root / "untracked").write_text("x")
    sha = desk.run("rev-parse", "HEAD")
    assert desk.facts(desk.root / "src") == GitFacts(sha, TIME, "main", "v2.0", remote="https://example.com/me/one")
    assert read_checkout(SystemRunner(), desk.root / "src", env=desk.env) == (desk.root, "main")
    (desk.root / "src/main.rs").write_text("fn main() { }")
    desk.run("checkout", "-q", "--detach")
    changed = desk.facts()
    assert changed is not None
    assert (changed.branch, changed.changed, changed.revision) == (None, ("src/main.rs",), sha + "-dirty")
    assert desk.notes == []


def lfs(desk: Desk, *contents: str) -> None:
    """A repository as Git LFS leaves it: pointers in its commit, contents in its files."""
    pointers = [POINTER.format(hashlib.sha256(text.encode()).hexdigest(), len(text)) for text in contents]
    init(
        desk,
        desk.root,
        _gitattributes="*.bin filter=lfs -text",
        **{f"{n}_bin": text for n, text in enumerate(pointers)},
    )
    for number, text in enumerate(contents):
        (desk.root / f"{number}.bin").write_text(text)


@pytest.mark.parametrize("scope", ["--global", "--local"])
def test_files_of_lfs(desk: Desk, scope: str) -> None:
    lfs(desk, "one", "two", "three", "four", "five")
    for part in ("clean", "process"):
        desk.config(f"filter.lfs.{part}", "false", scope)
    desk.config("filter.lfs.required", "true", scope)
    assert desk.changed() == ()
    (desk.root / "0.bin").write_text("One")
    (desk.root / "1.bin").write_text("longer")
    (desk.root / "2.bin").chmod(0o755)
    (desk.root / "3.bin").unlink()
    (desk.root / "4.bin").unlink()
    (desk.root / "4.bin").symlink_to("five")
    assert desk.changed() == ("0.bin", "1.bin", "2.bin", "3.bin", "4.bin")
    assert desk.notes == []


def test_files_that_lfs_did_not_fetch(desk: Desk) -> None:
    lfs(desk)
    (desk.root / "a.bin").write_text(POINTER.format("0" * 64, 7))
    (desk.root / "raw.bin").write_text("committed before LFS was there")
    commit(desk, desk.root)
    desk.touch("a.bin", "raw.bin")
    assert desk.changed() == ()


def test_a_filter_of_the_users_own(desk: Desk) -> None:
    desk.config("filter.turn.clean", "tr a-z n-za-m", "--global", cwd=desk.folder)
    init(desk, desk.root, bait_txt="bait", _gitattributes="bait.txt filter=turn")
    desk.touch("bait.txt")
    assert desk.changed() == ()
    (desk.root / "bait.txt").write_text("tiab")
    assert desk.changed() == ("bait.txt",)


def test_a_filter_of_the_repository_cannot_tell(desk: Desk) -> None:
    init(desk, desk.root, a_txt="a", b_txt="b", _gitattributes="*.txt filter=turn")
    desk.config("filter.turn.clean", "cat")
    assert (desk.changed(), desk.notes) == ((), [])
    desk.touch("a.txt")
    # what does not pass through the filter is compared as it is
    assert desk.changed() == ()
    (desk.root / "b.txt").write_text("c")
    assert desk.changed() == ("b.txt",)
    (reported,) = desk.notes
    assert reported.startswith(
        "b.txt may be unchanged and counts as changed: only the filter turn of the repository's own"
    )


def test_submodules(desk: Desk) -> None:
    init(desk, desk.folder / "deep", deep_txt="deep")
    init(desk, desk.folder / "inner", inner_txt="inner")
    desk.run("submodule", "--quiet", "add", str(desk.folder / "deep"), "deep", cwd=desk.folder / "inner")
    commit(desk, desk.folder / "inner")
    init(desk, desk.root, outer_txt="outer")
    desk.run("submodule", "--quiet", "add", str(desk.folder / "inner"), "a b")
    commit(desk, desk.root)
    assert desk.changed() == ()
    desk.run("submodule", "--quiet", "update", "--init", "--recursive")
    desk.touch("inner.txt", "deep/deep.txt", root=desk.root / "a b")
    (desk.root / "a b/untracked").write_text("")
    desk.config("submodule.a b.ignore", "all")
    assert desk.changed() == ()
    (desk.root / "a b/deep/deep.txt").write_text("Deep")
    assert desk.changed() == ("a b/deep/deep.txt",)
    # git sets these for its hooks: they are about the repository that the hook is of
    hooked = desk.facts(env={"GIT_DIR": str(desk.root / ".git"), "GIT_INDEX_FILE": str(desk.root / ".git/index")})
    assert hooked is not None
    assert hooked.changed == ("a b/deep/deep.txt",)
    desk.run("commit", "-q", "--allow-empty", "-m", "another", cwd=desk.root / "a b")
    assert desk.changed() == ("a b", "a b/deep/deep.txt")


@pytest.mark.parametrize("path", ["..", "/", "link"])
def test_a_path_of_the_index_that_leads_to_another_repository(desk: Desk, path: str) -> None:
    """Nothing stops an index from having such paths: anybody who wrote it did not use git."""
    init(desk, desk.folder / "other", other_txt="other")
    (desk.folder / "other/other.txt").write_text("changed")
    init(desk, desk.root, mine_txt="mine")
    (desk.root / "link").symlink_to("../other")
    name = {"..": "../other", "/": f"{desk.folder}/other", "link": "link"}[path].encode()
    head = struct.pack(">4sII10I", b"DIRC", 2, 1, *(0,) * 6, 0o160000, 0, 0, 0)
    entry = bytes.fromhex(desk.run("rev-parse", "HEAD")) + struct.pack(">H", len(name)) + name
    index = head + entry + b"\0" * (8 - (len(head) - 12 + len(entry)) % 8)
    (desk.root / ".git/index").write_bytes(index + hashlib.sha1(index, usedforsecurity=False).digest())
    assert not [each for each in desk.changed() if "other.txt" in each]


def test_settings_that_change_what_git_says(desk: Desk) -> None:
    init(desk, desk.root, a_txt="a")
    before = desk.facts()
    desk.config("i18n.logOutputEncoding", "UTF-16")
    desk.config("mailmap.file", "/dev/zero")
    desk.config("core.attributesFile", "/dev/zero")
    desk.config("core.excludesFile", "/dev/zero")
    assert before is not None
    assert desk.facts() == before


def test_names_that_a_terminal_would_obey(desk: Desk) -> None:
    name = "\x1b]0;title\x07.txt"
    init(desk, desk.root, a_txt="a")
    (desk.root / name).write_text("a")
    commit(desk, desk.root)
    (desk.root / name).write_text("b")
    desk.run("tag", "v1.0-\u202egpj")
    facts = desk.facts()
    assert facts is not None
    assert facts.changed == ("\\x1b]0;title\\x07.txt",)
    assert facts.tag is None


def test_worktrees_sparse_and_shallow_checkouts(desk: Desk) -> None:
    origin = desk.folder / "origin"
    init(desk, origin, a_txt="a", b_txt="b")
    desk.run("tag", "v1", cwd=origin)
    desk.run("clone", "-q", "--depth=1", "--branch=v1", f"file://{origin}", str(desk.folder / "shallow"), cwd=origin)
    desk.run("worktree", "add", "-q", str(desk.root), cwd=desk.folder / "shallow")
    desk.run("sparse-checkout", "set", "--no-cone", "b.txt")
    facts = desk.facts()
    assert facts is not None
    assert (facts.branch, facts.tag, facts.changed) == ("repository", "v1", ())
    assert not (desk.root / "a.txt").exists()
    (desk.root / "b.txt").write_text("c")
    assert desk.changed() == ("b.txt",)
