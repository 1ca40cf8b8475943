"""How help, manual pages and the reference arrange the options of a command: under which title each stands."""

from __future__ import annotations

import rich_click as click

# How help is arranged; the order of the commands' options follows from their decorators.
PANELS: dict[str, tuple[str, ...]] = {
    "What to resolve": ("--filename", "--recursive", "--selector", "--format", "--project"),
    "What to explain": (),
    "What to write": ("--ci", "--matrix"),
    "What to copy": (),
    "What to compare": ("--whole", "--old-base"),
    "What to bring": (),
    "What ran": ("--address",),
    "What to do with it": ("--print", "--env", "--network"),
    "What to build": (
        "--package",
        "--workspace",
        "--exclude",
        "--changed-since",
        "--bin",
        "--bins",
        "--tests",
        "--benches",
        "--examples",
        "--all-targets",
        "--binary",
        "--all",
        "--platform",
        "--referrers",
        "--libc",
        "--target",
        "--profile",
        "--release",
        "--features",
        "--all-features",
        "--no-default-features",
        "--locked",
        "--offline",
        "--frozen",
        "--jobs",
    ),
    "Where units are kept": (
        "--cache-from",
        "--cache-to",
        "--cache-trust",
        "--cache-sign",
        "--no-cache",
        "--cached",
        "--programs",
    ),
    "On a cluster": ("--remote", "--remote-slots", "--remote-link"),
    "How to cook": (
        "--recipe-path",
        "--check",
        "--clippy",
        "--zigbuild",
        "--no-build",
        "--no-std",
        "--manifest-path",
        "--target-dir",
        "--timings",
        "-Z",
        "--force",
    ),
    "The builder": ("--variant", "--rust", "--builder", "--apt", "--apk", "--cargoship"),
    "What to mend": ("--fix",),
    "What stays": ("--max-size", "--keep-plans", "--days"),
    "Who you are": ("--username", "--password-stdin"),
    "The image": (
        "--tag",
        "--base",
        "--label",
        "--annotation",
        "--user",
        "--set",
        "--compression",
        "--no-verify",
        "--smoke",
        "--require-clean",
    ),
    "Where it goes": (
        "--push",
        "--push-by-digest",
        "--load",
        "--cluster",
        "--output",
        "--metadata-file",
        "--image-refs",
        "--dry-run",
    ),
    "Signatures": ("--sign", "--key", "--identity", "--issuer", "--require"),
    "The file": ("--write", "--check", "--file", "--overwrite"),
    "How it talks": ("--verbose", "--quiet", "--color", "--progress", "--json", "--help"),
}

# What means something else with a command than with most others.
_MEANT_OTHERWISE: dict[str, dict[str, str]] = {
    **{name: {"--env": "The image", "--manifest-path": "What to build"} for name in ("plan", "pack")},
    **{name: {"--manifest-path": "What to build"} for name in ("audit", "watch")},
    "build": {"--env": "The image", "--manifest-path": "What to build", "--timings": "How it talks"},
    "explain": {"--project": "What to explain"},
    "size": {"--max": "How it talks", "--number": "How it talks"},
    "timings": {"--format": "How it talks"},
    "init": {"--force": "What to write"},
    "dockerfile": {"--check": "The file", "--manifest-path": "What to build"},
    "rebase": {"--old-base": "The image", "--check": "Where it goes", "--tag": "Where it goes"},
    "rebuild": {"--check": "What to build", "--env": "The image"},
    "diff": {"--platform": "What to compare"},
    "symbols": {"--platform": "What to bring", "--output": "What to bring"},
    "symbolicate": dict.fromkeys(("--platform", "--address"), "What ran"),
    "prune": dict.fromkeys(("--all", "--dry-run"), "What stays"),
    "copy": dict.fromkeys(("--platform", "--all", "--referrers"), "What to copy"),
    "run": dict.fromkeys(("--project", "--manifest-path"), "What to build"),
}


def panels_of(command: click.Command) -> dict[str, list[str]]:
    """The panels of a command's help, in their order: titles, and the long names of the options in each."""
    names = {name for each in command.params for name in each.opts} | {"--help"}
    otherwise = _MEANT_OTHERWISE.get(command.name or "", {})
    panels: dict[str, list[str]] = {title: [] for title in PANELS}
    for title, named in PANELS.items():
        for name in named:
            if name in names:
                names.remove(name)
                panels[otherwise.get(name, title)].append(name)
    return {title: held for title, held in panels.items() if held}
