"""What stands around the compiler: whether there is such a thing, and what of its record counts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cargoship.unitcache.keys.wrapping import is_wrapped
from cargoship.unitcache.watching.records import Event, read_records
from cargoship.unitcache.watching.shells import IMPLIED, uses, variables_used
from cargoship.unitcache.watching.wrappers import that_count


@pytest.mark.parametrize(
    ("env", "table", "options", "wrapped"),
    [
        ({}, {}, (), False),
        ({"RUSTC_WRAPPER": "sccache"}, {}, (), False),
        ({"RUSTC_WRAPPER": "/usr/bin/sccache"}, {"build": {"rustc-wrapper": "around"}}, (), True),
        ({"RUSTC_WRAPPER": ""}, {}, (), False),
        ({"RUSTC_WRAPPER": "around"}, {}, (), True),
        ({"CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER": "around"}, {}, (), True),
        ({"RUSTC": "around"}, {}, (), True),
        ({"RUSTC": "rustc"}, {}, (), False),
        ({}, {"build": {"rustc-workspace-wrapper": "around"}}, (), True),
        ({}, {"build": {"rustc": "around", "jobs": 1}}, (), True),
        ({}, {"build": {"jobs": 1}}, (), False),
        ({}, {}, ('build.rustc-wrapper="around"',), True),
        ({}, {}, ("net.offline=true",), False),
        ({}, {}, ("some.toml",), True),
    ],
)
def test_whether_there_is_a_wrapper(
    env: Mapping[str, str], table: Mapping[str, object], options: tuple[str, ...], *, wrapped: bool
) -> None:
    """Caches of compilations are none, nor is rustc itself; a file of configuration may say anything."""
    assert is_wrapped(env, [table], options, is_compiler=lambda name: name == "rustc") is wrapped


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('[ -n "$SPECIAL" ] && exec "$@"', {"SPECIAL"}),
        ("echo ${one:-${two}} ${#three}", {"one", "two", "three"}),
        ("test -n '' # $NOT\n  # $NEITHER\n", {"NOT"}),
        ("set -eu\nexport FLAGS=1\nset -- a\nexport OTHER", {"FLAGS", "OTHER"}),
        ("cat ~/flags", {"HOME"}),
        ('exec $RUSTC "$@"', {"RUSTC"}),
        ('set -- "$@" --cfg x\n"$@"', set()),
        ('flags="-C $LEVEL" && exec "$1" $flags', {"LEVEL", "flags"}),
        ('X="$ONE" "$@"', {"ONE"}),
        ("cat <<END\n$HERE\nEND\n", {"HERE", "END"}),
    ],
)
def test_commands_name_the_variables_that_they_use(text: str, names: set[str]) -> None:
    used = variables_used([text], bash=False)
    assert used is not None
    assert used - IMPLIED == names


@pytest.mark.parametrize(
    "text",
    [
        'eval "echo \\$$name"', ". ./flags", "if true; then . /flags; fi", "source flags", "set", "set | grep x",
        "x=$(set)", "export", "export -p", "echo ${!name}", "echo ${!PRE*}", "declare -x", "echo $((x + 1))",
        "echo $[x]", "let x=y", "[ -v $name ]", "[[ x -eq 1 ]]", "echo ${a[i]}", "echo ${text:from}", "readonly",
        "run=.\n$run ./flags", 'if "$run" flags; then x; fi', "command ${run} flags", "X=1 Y='a b' $run flags",
        "$(cat words) flags", "`cat words` flags", 'set -- . flags\n"$@"', "a || $run b",
        "echo ${x@A}", "command . ./flags", "X=1 . ./flags", "\\. flags", "'.' flags", "cat <<EOF\n# ${!name}\nEOF",
    ],
)  # fmt: skip
def test_commands_that_may_use_any_variable_are_known(text: str) -> None:
    assert variables_used([text], bash=False) is None


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("# about $flags\nexec $words", False),
        ("echo 'a' \"b\"\n  # about $flags\nexec $words", False),
        ("cat <<EOF\n#$flags\nEOF", True),
        ('x="\n# $flags"', True),
        ('echo "a" \\"\n# about $flags', False),
        ('x="$(echo \'"\')\n# $flags"', True),
        ("x=`\n# $flags\n`", True),
    ],
)
def test_a_line_of_a_comment_is_one_where_no_string_is_open(text: str, *, used: bool) -> None:
    """A shell puts variables into a here-document whose lines begin so."""
    found = variables_used([text], bash=False)
    assert found is not None
    assert ("flags" in found) is used


def test_functions_that_bash_is_given_are_variables() -> None:
    used = variables_used(["grep x y"], bash=True)
    assert used is not None
    assert {"BASH_FUNC_grep%%", "BASH_ENV", "LC_COLLATE"} <= used


@pytest.mark.parametrize(
    ("kind", "text", "used"),
    [
        ("C", "echo $EPOCHREALTIME", True),
        ("C", "printf '%(%s)T'", True),
        ("C", "echo", False),
        ("t", "echo $SECONDS", True),
        ("R", "echo $RANDOM", True),
        ("R", "true", False),
        ("H", "echo $HOSTNAME", True),
        ("H", "true", False),
        ("P", "cat ~/flags", True),
        ("P", "true", False),
    ],
)
def test_commands_say_whether_they_look_at_clocks_and_names(kind: str, text: str, *, used: bool) -> None:
    assert uses(kind, [text]) is used


def counted(*events: str) -> list[str]:
    return [event.kind + event.text for event in that_count([Event(each[0], each[1:]) for each in events])]


def test_what_a_wrapper_needs_to_run_does_not_count(tmp_path: Path) -> None:
    script = tmp_path / "around"
    script.write_text('exec "$@" $FLAGS\n')
    noted = (
        f"w{script}",
        f"sf{script}",
        f"O{script}",
        "Edash",
        "Cpython3",
        "Rpython3",
        "Z/bin/sccache\n/cwd",
        "O/flags",
    )
    found = counted(*noted)
    assert found[0] == f"w{script}"
    assert found[-1] == "O/flags"
    assert set(found[1:-1]) == {f"V{name}" for name in (*IMPLIED, "FLAGS")}


def test_what_a_wrapper_may_depend_on_counts() -> None:
    noted = ("Cdate", "Ncurl", "Epython3", "Z/bin/other\n/cwd", "U/static", "Hpython3", "A/flag", "VFLAGS")
    assert counted(*noted) == list(noted)


def test_a_shell_that_gets_its_commands_from_somewhere_uses_all_variables() -> None:
    assert counted("s?", "Edash", "Hbash") == ["Edash", "Hbash"]
    assert counted("sceval $X", "scecho $RANDOM", "Edash", "Rbash") == ["Edash", "Rbash"]


def test_what_was_written_alone_is_no_more_the_wrappers_own_than_before() -> None:
    """A log, to which each compilation adds; what reads it depends on all of it."""
    assert counted("J/log", "W/log", "O/log", "W/other") == ["O/log", "W/other"]


def test_records_of_wrappers_stand_beside_those_of_compilers(tmp_path: Path) -> None:
    (tmp_path / "1-1-5").write_text("Kapp\t-1\t/out\twrapper\0w/around\0")
    (tmp_path / "2-2-7").write_text("Kapp\t-1\t/out\0")
    found = read_records(tmp_path).compilers["/out", "app", "-1"]
    assert sorted((each.wraps, each.began_ns) for each in found) == [(False, 7), (True, 5)]
