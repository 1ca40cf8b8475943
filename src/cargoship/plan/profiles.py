"""Profiles of cargo: whether the one that is asked for exists, before anything is compiled."""

from __future__ import annotations

from collections.abc import Mapping

from cargoship.cargo.config import cargo_home, configuration_files, read_table
from cargoship.cargo.manifest import MANIFEST
from cargoship.errors import UsageError
from cargoship.plan.model import Plan
from cargoship.suggest import did_you_mean, listed

# https://doc.rust-lang.org/cargo/reference/profiles.html#default-profiles
_BUILT_IN = ("dev", "release", "test", "bench")


def check_profile(plan: Plan, env: Mapping[str, str]) -> None:
    """Raise UsageError where neither the workspace's manifest nor cargo's configuration has the plan's profile."""
    name = plan.cargo.profile
    if name in _BUILT_IN:
        return
    # cargo takes a profile of the environment too: CARGO_PROFILE_<NAME>_INHERITS
    if any(each.startswith(f"CARGO_PROFILE_{name.upper().replace('-', '_')}_") for each in env):
        return
    known = dict.fromkeys(_BUILT_IN)
    for path in (plan.root / MANIFEST, *configuration_files(plan.cargo.cwd, cargo_home(env))):
        table = read_table(path).get("profile")
        known |= dict.fromkeys(table if isinstance(table, dict) else ())
    if name not in known:
        raise UsageError(
            f"profile {name!r} is not defined{did_you_mean(name, known)}",
            hint=f"profiles: {listed(known)}; [profile.{name}] in {plan.root / MANIFEST} defines one",
        )
