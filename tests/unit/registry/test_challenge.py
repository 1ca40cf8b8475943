from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cargoship.registry.auth.challenge import Challenge, Scope, covers, merge_scopes, parse_challenges, parse_scopes

_CASES = {
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"': (
        Challenge(
            "bearer",
            {
                "realm": "https://auth.docker.io/token",
                "service": "registry.docker.io",
                "scope": "repository:a/b:pull,push",
            },
        ),
    ),
    'Basic realm="Registry Realm"': (Challenge("basic", {"realm": "Registry Realm"}),),
    'bearer Realm = "x" , Service=y': (Challenge("bearer", {"realm": "x", "service": "y"}),),
    r'Basic realm="say \"hi\""': (Challenge("basic", {"realm": 'say "hi"'}),),
    'Negotiate, Basic realm="r"': (Challenge("negotiate"), Challenge("basic", {"realm": "r"})),
    'Basic realm="r", Bearer realm="https://t",service="s"': (
        Challenge("basic", {"realm": "r"}),
        Challenge("bearer", {"realm": "https://t", "service": "s"}),
    ),
    "Basic": (Challenge("basic"),),
    'Negotiate YIIab+/c==, Bearer realm="https://t"': (
        Challenge("negotiate"),
        Challenge("bearer", {"realm": "https://t"}),
    ),
    "Bearer realm=https://t:8443/token?a=b,service=s": (
        Challenge("bearer", {"realm": "https://t:8443/token?a=b", "service": "s"}),
    ),
    'Bearer realm="https://t" service="s"': (Challenge("bearer", {"realm": "https://t", "service": "s"}),),
    '@@@, Bearer realm="a", Bearer realm="b"': (
        Challenge("bearer", {"realm": "a"}),
        Challenge("bearer", {"realm": "b"}),
    ),
    'Bearer realm="never ends': (Challenge("bearer", {"realm": "never ends"}),),
    "": (),
    "=,=": (),
}


@pytest.mark.parametrize("header", _CASES)
def test_challenges_are_parsed(header: str) -> None:
    assert parse_challenges(header) == _CASES[header]


@given(st.text())
def test_any_header_is_parsed_without_an_error(header: str) -> None:
    parse_challenges(header)


_QUOTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))


@given(st.dictionaries(st.from_regex(r"[a-z]+", fullmatch=True), _QUOTABLE, max_size=4))
def test_quoted_parameters_survive(parameters: dict[str, str]) -> None:
    def quote(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    header = "Bearer " + ", ".join(f"{name}={quote(value)}" for name, value in parameters.items())
    assert parse_challenges(header) == (Challenge("bearer", parameters),)


def test_a_scope_names_a_repository_with_a_port() -> None:
    scope = Scope("repository", "localhost:5000/a", ("pull",))
    assert parse_scopes(str(scope)) == (scope,)


def test_scopes_of_one_repository_are_one() -> None:
    merged = merge_scopes((Scope.pull("b"), Scope.push("a"), Scope.pull("a")))
    assert [str(scope) for scope in merged] == ["repository:a:pull,push", "repository:b:pull"]


def test_a_token_for_push_also_pulls() -> None:
    assert covers((Scope.push("a"),), (Scope.pull("a"),))
    assert not covers((Scope.pull("a"),), (Scope.push("a"),))
    assert not covers((Scope.push("a"),), (Scope.pull("b"),))
