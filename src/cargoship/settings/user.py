"""A user's own settings, for all projects: `~/.config/cargoship/config.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from cargoship.errors import SettingsInvalid
from cargoship.reading import read_utf8


class UsersFile(Struct, frozen=True):
    """What the file holds, and where it is."""

    path: Path
    values: Mapping[str, object]


def users_file(env: Mapping[str, str]) -> UsersFile | None:
    """Read the file that CARGOSHIP_CONFIG names, or that of XDG_CONFIG_HOME or HOME; None where there is none.

    An empty CARGOSHIP_CONFIG means none. Raises SettingsInvalid.
    """
    path = _place(env)
    if path is None:
        return None
    try:
        return UsersFile(path, tomllib.loads(read_utf8(path)))
    except FileNotFoundError as error:
        if env.get("CARGOSHIP_CONFIG"):
            raise SettingsInvalid(f"CARGOSHIP_CONFIG names {path}, which is not there") from error
    except OSError as error:
        raise SettingsInvalid(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsInvalid(f"{path} is no TOML: {error}") from error
    return None


def _place(env: Mapping[str, str]) -> Path | None:
    if "CARGOSHIP_CONFIG" in env:
        return Path(env["CARGOSHIP_CONFIG"]) if env["CARGOSHIP_CONFIG"] else None
    folders = (env.get("XDG_CONFIG_HOME"), f"{env['HOME']}/.config" if env.get("HOME") else None)
    # a relative one counts as not set: basedir-spec
    place = next((each for each in folders if each and each.startswith("/")), None)
    return None if place is None else Path(place) / "cargoship" / "config.toml"
