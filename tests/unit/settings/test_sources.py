from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cargoship.cargo.project import Package, Project
from cargoship.errors import CargoshipError, PlatformUnknown, SettingsInvalid, UsageError
from cargoship.events import Level
from cargoship.oci.platform import Platform
from cargoship.platforms import Libc, LibcFamily
from cargoship.settings.fields import BY_KEY, FIELDS
from cargoship.settings.health import Healthcheck
from cargoship.settings.model import Settings
from cargoship.settings.sources import from_environment, load_origins, load_settings
from cargoship.settings.values import Include

ARM64 = Platform("linux", "arm64")


def project(workspace: Mapping[str, object], package: Mapping[str, object]) -> Project:
    app = Package("id", "app", "1.0.0", Path("/w/app/Cargo.toml"), Path("/w/app"), metadata_cargoship=package)
    return Project(Path("/w"), Path("/w"), Path("/w/target"), (app,), (app,), app, None, workspace)


def load(
    package: Mapping[str, object] | None = None,
    *,
    workspace: Mapping[str, object] | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> tuple[Settings, list[str]]:
    whole = project(workspace or {}, package or {})
    found, notes = load_settings(whole, whole.packages, env=env or {}, overrides=flags or {})
    assert all(note.level is Level.WARNING for note in notes)
    return found["app"], [note.text for note in notes]


def check(expected: Mapping[str, Any], **sources: Any) -> None:  # noqa: ANN401
    found, notes = load(**sources)
    assert found == replace(Settings(), **expected)
    assert not notes


def refuse(word: str, *, family: type[CargoshipError] = SettingsInvalid, hint: str = "", **sources: Any) -> None:  # noqa: ANN401
    with pytest.raises(family) as caught:
        load(**sources)
    assert word in caught.value.message
    assert "\n" not in caught.value.message
    assert hint in (caught.value.hint or "")


def test_nothing_said() -> None:
    check({})


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("platforms", ["arm64", "linux/arm64/v8"], (ARM64,)),
        ("libc", "gnu:2.17", Libc(LibcFamily.GNU, (2, 17))),
        ("profile", "dist", "dist"),
        ("features", ["a", "b/c"], ("a", "b/c")),
        ("default-features", False, False),
        ("bins", ["x"], ("x",)),
        ("bundle", ["x", "y"], ("x", "y")),
        ("name", "my-app_2", "my-app_2"),
        ("tags", ["ghcr.io/me/{name}:{version}"], ("ghcr.io/me/{name}:{version}",)),
        ("base", "oci:../bases/debian:12", "oci:../bases/debian:12"),
        ("compression", "zstd", "zstd"),
        ("entrypoint", ["/app/x", "-v", "-v"], ("/app/x", "-v", "-v")),
        ("args", ["", "a,b"], ("", "a,b")),
        ("env", {"A": "1", "B": 2, "C": True}, {"A": "1", "B": "2", "C": "true"}),
        ("expose", [8080, "8080/tcp", "53/udp"], ("8080/tcp", "53/udp")),
        ("user", "1000:1000", "1000:1000"),
        ("workdir", "/data//x/", "/data/x"),
        ("volumes", ["/data/"], ("/data",)),
        ("stop-signal", "int", "SIGINT"),
        ("stop-signal", 15, "15"),
        ("healthcheck", ["/app/x", "--health"], Healthcheck(("/app/x", "--health"))),
        (
            "healthcheck",
            {"command": ["/x"], "interval": "1m30s", "timeout": "500ms", "start-period": "1.5s", "retries": 3},
            Healthcheck(("/x",), 90 * 10**9, 5 * 10**8, 15 * 10**8, 3),
        ),
        ("include", ["a/** -> /app/a/"], (Include("a/**", "/app/a/"),)),
        (
            "include",
            [{"from": "a", "to": "/b", "mode": "0750", "owner": "nonroot"}, {"from": "c", "to": "/c", "owner": "1:2"}],
            (Include("a", "/b", 0o750, 65532, 65532), Include("c", "/c", None, 1, 2)),
        ),
        ("labels", {"a.b": "c"}, {"a.b": "c"}),
        ("annotations", {"a.b": "c"}, {"a.b": "c"}),
    ],
)
def test_value_in_a_manifest(key: str, value: object, expected: object) -> None:
    check({BY_KEY[key].attribute: expected}, package={key: value})
    check({BY_KEY[key].attribute: expected}, workspace={key: value})
    check({BY_KEY[key].attribute: expected}, flags={key: value})


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("PLATFORMS", "linux/arm64", (ARM64,)),
        ("FEATURES", "a, b,,c", ("a", "b", "c")),
        ("DEFAULT_FEATURES", "no", False),
        ("USER", "root", "root"),
        ("ARGS", '["a,b", ""]', ("a,b", "")),
        ("ENV", "A=1\nB=x=y\n\n", {"A": "1", "B": "x=y"}),
        ("ENV", '{"A": "1\\n2"}', {"A": "1\n2"}),
        ("STOP_SIGNAL", "SIGQUIT", "SIGQUIT"),
        ("EXPOSE", "80,53/udp", ("80/tcp", "53/udp")),
        ("INCLUDE", "a -> /a, b/* -> /b/", (Include("a", "/a"), Include("b/*", "/b/"))),
        ("HEALTHCHECK", '["/x"]', Healthcheck(("/x",))),
    ],
)
def test_value_in_a_variable(name: str, text: str, expected: object) -> None:
    check({name.lower(): expected}, env={"CARGOSHIP_" + name: text})


def test_later_sources_win() -> None:
    sources = {
        "workspace": {"user": "a", "workdir": "/a", "base": "scratch", "compression": "none"},
        "package": {"user": "b", "workdir": "/b", "base": "static"},
        "env": {"CARGOSHIP_USER": "c", "CARGOSHIP_WORKDIR": "/c"},
        "flags": {"user": "d"},
    }
    check({"user": "d", "workdir": "/c", "base": "static", "compression": "none"}, **sources)


def test_tables_merge_and_lists_do_not() -> None:
    check(
        {"env": {"A": "1", "B": "2", "C": "3"}, "tags": ("x",)},
        workspace={"env": {"A": "0", "B": "0"}, "tags": ["y", "z"]},
        package={"env": {"A": "1", "B": "2"}},
        env={"CARGOSHIP_ENV": "C=3"},
        flags={"tags": ("x",)},
    )


def test_an_empty_list_takes_back() -> None:
    check({}, workspace={"tags": ["y"]}, package={"tags": []})


def test_empty_variables_say_nothing() -> None:
    check({}, env={"CARGOSHIP_USER": "", "CARGOSHIP_CACHE_DIR": "/c", "OTHER": "x"})


def test_unknown_variables_warn() -> None:
    found, notes = load(env={"CARGOSHIP_PLATFORM": "x"})
    assert found == Settings()
    assert notes == ['the variable CARGOSHIP_PLATFORM is not known to cargoship; did you mean "CARGOSHIP_PLATFORMS"?']


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("platforms", "linux/arm64", "platforms: expected a list of platforms, got text"),
        ("platforms", [], "at least one"),
        ("platforms", ["linux/arm46"], 'platform linux/arm46 is not known; did you mean "linux/arm64"'),
        ("libc", "glibc", "libc 'glibc' is not known"),
        ("tags", [1], "tags[0]: expected text, got a number"),
        ("default-features", "no", "expected true or false, got text"),
        ("compression", "gzp", 'did you mean "gzip"?'),
        ("user", "a:b:c", "is not a user"),
        ("user", "", "is not a user"),
        ("user", "4294967295", "too large"),
        ("env", {"1A": "x"}, "env.1A: '1A' is not a name"),
        ("env", {"A": ["x"]}, "env.A: expected text, got a list"),
        ("env", ["A=1"], "expected a table, got a list"),
        ("expose", [0], "is not a port"),
        ("expose", ["80-90"], "is not a port"),
        ("expose", ["80/http"], "is not a protocol"),
        ("expose", [True], "expected text, got true or false"),
        ("workdir", "app", "must be an absolute path"),
        ("workdir", "/a/../b", "must not contain .."),
        ("volumes", ["/a\0"], "NUL"),
        ("stop-signal", "SIGNOPE", "is not a signal"),
        ("stop-signal", 65, "is not a signal"),
        ("base", "statik", "is not a base"),
        ("base", "ghcr.io/UPPER/app:1", "is not a repository name"),
        ("base", "debian@sha256:12", "is not a sha256 digest"),
        ("name", "My App", "is not a name for an image"),
        ("include", ["a"], 'include[0]: \'a\' must be "from -> to"'),
        ("include", [{"from": "a"}], "include[0]: 'to' is missing"),
        ("include", [{"from": "a", "to": "/b", "mod": "0644"}], 'include[0].mod: unknown key; did you mean "mode"?'),
        ("include", [{"from": "a", "to": "/b", "mode": "999"}], "include[0].mode"),
        ("include", [{"from": "a", "to": "/b", "mode": 644}], "include[0].mode: expected text"),
        ("include", [{"from": "a", "to": "b"}], "include[0].to: 'b' must be an absolute path"),
        ("include", [{"from": "a", "to": "/b", "owner": "me"}], "include[0].owner: 'me' is not an owner"),
        ("include", ["/etc/passwd -> /x"], "from the package's folder"),
        ("healthcheck", [], "must not be empty"),
        ("healthcheck", {"command": ["x"], "interval": "soon"}, "healthcheck.interval: 'soon' is not a length"),
        ("healthcheck", {"command": ["x"], "retries": 0}, "healthcheck.retries"),
        ("healthcheck", {"comand": ["x"]}, "did you mean"),
        ("labels", {"": "x"}, "empty"),
    ],
)  # fmt: skip
def test_wrong_value(key: str, value: object, word: str) -> None:
    refuse(word, package={key: value})
    refuse(f"/w/app/Cargo.toml: package.metadata.cargoship.{key}", package={key: value})
    refuse(f"/w/Cargo.toml: workspace.metadata.cargoship.{key}", workspace={key: value})
    if not isinstance(value, str):
        # an unknown platform has an exit code of its own
        family = PlatformUnknown if "arm46" in str(value) else UsageError
        refuse(word, family=family, flags={key: value})


@pytest.mark.parametrize(
    ("env", "word"),
    [
        ({"CARGOSHIP_DEFAULT_FEATURES": "maybe"}, "CARGOSHIP_DEFAULT_FEATURES: 'maybe' is neither"),
        ({"CARGOSHIP_ENV": "A"}, "CARGOSHIP_ENV: 'A' is not KEY=VALUE"),
        ({"CARGOSHIP_ARGS": "[1"}, "CARGOSHIP_ARGS: is not valid JSON"),
        ({"CARGOSHIP_PLATFORMS": "vax"}, "CARGOSHIP_PLATFORMS[0]: platform vax is not known"),
    ],
)
def test_wrong_variable(env: dict[str, str], word: str) -> None:
    refuse(word, env=env)


def test_unknown_key() -> None:
    refuse(
        '/w/app/Cargo.toml: package.metadata.cargoship.platform is not a setting; did you mean "platforms"?',
        hint="/cargoship/settings/ describes every setting",
        package={"platform": ["x"]},
    )
    refuse("stop_signal is not a setting", package={"stop_signal": "x"})
    refuse("nope is not a setting", family=UsageError, flags={"nope": 1})


def test_names() -> None:
    assert all(field.key == field.key.lower() and "_" not in field.key for field in FIELDS)
    assert BY_KEY["stop-signal"].variable == "CARGOSHIP_STOP_SIGNAL"


def personal(folder: Path, text: str) -> dict[str, str]:
    (folder / "cargoship").mkdir(exist_ok=True)
    (folder / "cargoship" / "config.toml").write_text(text)
    return {"HOME": "/nonexistent", "XDG_CONFIG_HOME": str(folder)}


def test_a_users_own_file_is_the_weakest_source(tmp_path: Path) -> None:
    env = personal(tmp_path, 'repository = "ghcr.io/me"\ncache-size = "1GB"\n')
    check({"repository": "ghcr.io/me", "cache_size": "1GB"}, env=env)
    check({"repository": "ghcr.io/shop", "cache_size": "1GB"}, env=env, workspace={"repository": "ghcr.io/shop"})
    check({}, env={**env, "CARGOSHIP_CONFIG": ""})
    other = tmp_path / "other.toml"
    other.write_text("cache = false\n")
    check({"cache": False}, env={**env, "CARGOSHIP_CONFIG": str(other)})
    (tmp_path / ".config").mkdir()
    home = personal(tmp_path / ".config", "cache = false\n") and {"HOME": str(tmp_path), "XDG_CONFIG_HOME": "relative"}
    check({"cache": False}, env=home)


@pytest.mark.parametrize("field", FIELDS, ids=[field.key for field in FIELDS])
def test_a_users_own_file_changes_no_image_unseen(field: Any, tmp_path: Path) -> None:  # noqa: ANN401
    env = personal(tmp_path, f"{field.key} = {field.spec.example}\n")
    if field.spec.personal:
        load(env=env)
    else:
        refuse(f"config.toml:1: {field.key} would change the images", env=env, hint=field.variable)


@pytest.mark.parametrize(
    ("text", "word"), [("[", "is no TOML"), ("repo = 1", "repo is not a setting"), ("cache = 1", "cache: ")]
)
def test_a_users_own_file_that_is_wrong_is_named(text: str, word: str, tmp_path: Path) -> None:
    refuse(f"{tmp_path}/cargoship/config.toml", env=personal(tmp_path, text))
    refuse(word, env=personal(tmp_path, text))


def test_a_users_own_file_that_is_named_and_not_there(tmp_path: Path) -> None:
    refuse("which is not there", env={"CARGOSHIP_CONFIG": str(tmp_path / "no.toml")})


def test_the_short_name_of_the_repository() -> None:
    check({"repository": "ghcr.io/me"}, env={"CARGOSHIP_REPO": "ghcr.io/me"})


def test_every_value_says_where_it_comes_from(tmp_path: Path) -> None:
    env = personal(tmp_path, 'repository = "ghcr.io/me"\n') | {"CARGOSHIP_USER": "root", "CARGOSHIP_ENV": "B=2"}
    whole = project({"workdir": "/w", "env": {"A": "1"}}, {"expose": [1], "user": "nobody"})
    found = load_origins(whole, whole.packages, env=env, overrides={"tags": ("a/b",), "stop-signal": "INT"})
    assert found["app"] == {
        "repository": f"{tmp_path}/cargoship/config.toml",
        "workdir": "Cargo.toml (workspace)",
        "env": "Cargo.toml (workspace), CARGOSHIP_ENV",
        "expose": "app/Cargo.toml (package)",
        "user": "CARGOSHIP_USER",
        "tags": "--tag",
        "stop-signal": "--set",
    }
    short = load_origins(whole, whole.packages, env={"CARGOSHIP_REPO": "a.io/b"}, overrides={})
    assert short["app"]["repository"] == "CARGOSHIP_REPO"


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("CARGOSHIP_ENV", '{"a":' * 100_000, "CARGOSHIP_ENV: is nested too deeply"),
        ("CARGOSHIP_TAGS", "[" * 100_000, "CARGOSHIP_TAGS: is nested too deeply"),
        ("CARGOSHIP_LABELS", "a=\udcff", "CARGOSHIP_LABELS.a: has bytes that are no UTF-8"),
        ("CARGOSHIP_LABELS", "a\udcff=b", "CARGOSHIP_LABELS: has a key with bytes that are no UTF-8"),
        (
            "CARGOSHIP_LABELS",
            '{"a": "\\ud800"}',
            "CARGOSHIP_LABELS.a: has bytes that are no UTF-8, or half of a character",
        ),
        ("CARGOSHIP_ENTRYPOINT", '["\\udcff"]', r"CARGOSHIP_ENTRYPOINT\[0\]: has bytes that are no UTF-8"),
        ("CARGOSHIP_WORKDIR", "/\udcff", "CARGOSHIP_WORKDIR: has bytes that are no UTF-8"),
        ("CARGOSHIP_HEALTHCHECK", '{"tcp": 1, "retries": 2147483648}', r"CARGOSHIP_HEALTHCHECK\.retries: must be"),
        (
            "CARGOSHIP_HEALTHCHECK",
            '{"tcp": 1, "interval": "9999999999h"}',
            r"CARGOSHIP_HEALTHCHECK\.interval: .*longer",
        ),
    ],
)
def test_what_no_json_or_engine_could_take(variable: str, text: str, says: str) -> None:
    """They ended a run as a fault of cargoship, or went into images that nothing can start."""
    with pytest.raises(SettingsInvalid, match=says):
        from_environment({variable: text})


def test_lines_of_tables_end_at_line_feeds_alone() -> None:
    layer, _ = from_environment({"CARGOSHIP_ENV": "A=1\x0cB=2\x85\u2028\r\nC=3"})
    assert layer.values["env"] == {"A": "1\x0cB=2\x85\u2028", "C": "3"}


@pytest.mark.parametrize(
    ("key", "value", "says", "hint"),
    [
        ("user", 65532, "expected a user, got a number", 'put it in quotes: "65532"'),
        ("env", {"A": 1.5}, "expected text, got a number with a fraction", 'put it in quotes: "1.5"'),
        ("include", [{"from": "x", "to": "/x", "mode": 644}], "expected text, got a number", 'put it in quotes: "644"'),
        ("labels", {"a": {"$__toml_private_datetime": "2020-01-01"}}, "got a date", 'put it in quotes: "2020-01-01"'),
        ("labels", {"a": {"b": "c"}}, "expected text, got a table", None),
    ],
)
def test_what_was_to_be_in_quotes(key: str, value: object, says: str, hint: str | None) -> None:
    """A date was said to be a table, and 1.5 a number where numbers are taken."""
    with pytest.raises(SettingsInvalid, match=says) as caught:
        load(workspace={key: value})
    assert caught.value.hint == hint
