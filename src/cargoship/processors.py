"""Flags of rustc that name a processor: whether it exists, and what they ask for that not all of a platform have.

rustc itself says which processors it knows (--print target-cpus) and which features flags mean (--print cfg).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cargoship.cargo.suggest import did_you_mean, listed
from cargoship.context import Context
from cargoship.errors import UsageError
from cargoship.events import Level, Note
from cargoship.plan import Plan
from cargoship.plan.native import flags_of
from cargoship.process import Command
from cargoship.toolchain.locate import CompileTarget, Toolchain

_FLAG = re.compile(r"(?:^|[\s\x1f])-C[\s\x1f]*target-(cpu|feature)=([^\s\x1f]+)")
_OF_TARGET = re.compile(r"CARGO_TARGET_(?P<triple>.+)_RUSTFLAGS")
_FEATURE = re.compile(r'target_feature="([^"]+)"')
_SHOWN = 6
# as the x86-64 psABI has them, in rustc's names; each level has those before it too
_LEVELS = {
    "x86-64-v2": {"cmpxchg16b", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3"},
    "x86-64-v3": {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"},
    "x86-64-v4": {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"},
}


@dataclass(frozen=True)
class _Asked:
    """What one place asks of the processors."""

    where: str
    cpu: str | None
    flags: tuple[str, ...]


def check_processors(plan: Plan, toolchain: Toolchain, context: Context, env: Mapping[str, str]) -> None:
    """Warn where programs would need more than their platform promises.

    Raises UsageError for a processor that rustc knows for none of the targets, with those that exist.
    """
    for asked, targets in _asked(plan, toolchain, env):
        known = {target.triple: _known(target, asked, toolchain, context) for target in targets}
        if asked.cpu is not None and targets and not any(known.values()):
            raise _unknown(asked.cpu, asked.where, targets, toolchain, context)
        for target in targets:
            if not known[target.triple]:
                continue
            more = _features(target, asked.flags, toolchain, context) - _features(target, (), toolchain, context)
            if more:
                context.emit(Note(_beyond(asked, target, more), Level.WARNING))


def _asked(
    plan: Plan, toolchain: Toolchain, env: Mapping[str, str]
) -> Iterator[tuple[_Asked, tuple[CompileTarget, ...]]]:
    for where, text in flags_of(plan, env):
        found = _FLAG.findall(text)
        cpu = next((value for kind, value in reversed(found) if kind == "cpu"), None)
        if not found or cpu == "native" or "\0" in text:
            # native is a matter of its own: see plan.native
            continue
        of = _OF_TARGET.fullmatch(where)
        targets = tuple(
            target
            for target in toolchain.targets
            if not target.row.is_wasm
            and (of is None or of["triple"] == target.triple.replace("-", "_").replace(".", "_").upper())
        )
        yield _Asked(where, cpu, tuple(f"-Ctarget-{kind}={value}" for kind, value in found)), targets


def _known(target: CompileTarget, asked: _Asked, toolchain: Toolchain, context: Context) -> bool:
    return asked.cpu is None or asked.cpu in _processors(target, toolchain, context)


def _unknown(
    cpu: str, where: str, targets: Sequence[CompileTarget], toolchain: Toolchain, context: Context
) -> UsageError:
    every = {target.platform: _processors(target, toolchain, context) for target in targets}
    names = [name for found in every.values() for name in found]
    lists = "\n".join(f"  {platform}: {', '.join(found)}" for platform, found in every.items())
    return UsageError(
        f"{where} names the processor {cpu!r}, which rustc does not know{did_you_mean(cpu, names)}",
        hint="name one of those below",
        details=lists,
    )


def _processors(target: CompileTarget, toolchain: Toolchain, context: Context) -> list[str]:
    said = _ask(("--print", "target-cpus", "--target", target.triple), toolchain, context)
    names = [line.split()[0] for line in said.splitlines() if line.startswith("    ") and line.strip()]
    return [name for name in names if name not in {"native", "-"}]


def _features(target: CompileTarget, flags: Sequence[str], toolchain: Toolchain, context: Context) -> frozenset[str]:
    said = _ask(("--print", "cfg", "--target", target.triple, *flags), toolchain, context)
    return frozenset(_FEATURE.findall(said))


def _ask(words: Sequence[str], toolchain: Toolchain, context: Context) -> str:
    """What rustc prints; nothing where it refuses flags, for then the build says why."""
    # in the root: a toolchain file of the project has had its say
    command = Command((str(toolchain.rust.rustc), *words), cwd=Path("/"), env=context.env)
    done = context.runner.run(command, timeout_s=60)
    return done.text if done.code == 0 else ""


def _beyond(asked: _Asked, target: CompileTarget, more: frozenset[str]) -> str:
    shown = sorted(more)
    named = listed(shown) if len(shown) <= _SHOWN else f"{', '.join(shown[:_SHOWN])} and {len(shown) - _SHOWN} more"
    level = next((name for name, features in reversed(_LEVELS.items()) if more & features), None)
    of = f" (those of {level})" if level is not None and target.platform.architecture == "amd64" else ""
    return (
        f"{asked.where} compiles for processors with {named}{of}, which not all of {target.platform} have: "
        "there the program ends with SIGILL"
    )
