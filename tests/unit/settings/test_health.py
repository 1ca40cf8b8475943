"""Health checks: what is written, what each engine gets, and what is refused."""

from __future__ import annotations

import re
from itertools import chain

import pytest

from cargoship.errors import CargoshipError
from cargoship.settings.compound import HEALTHCHECK
from cargoship.settings.health import PROBE, FileProbe, GrpcProbe, Healthcheck, HttpProbe, TcpProbe
from cargoship.settings.sources import load_flags
from support.judges import amazon_ecs, check_compose, check_pod, check_task

CHECKS: list[tuple[dict[str, object], object, list[str]]] = [
    ({"http": "/health", "port": 8080}, HttpProbe("/health", 8080), ["http", "8080", "/health"]),
    ({"tcp": 5432}, TcpProbe(5432), ["tcp", "5432"]),
    ({"tcp": "5432"}, TcpProbe(5432), ["tcp", "5432"]),
    ({"grpc": "a.v1.B", "port": 50051}, GrpcProbe("a.v1.B", 50051), ["grpc", "50051", "a.v1.B"]),
    ({"grpc": "", "port": 50051}, GrpcProbe("", 50051), ["grpc", "50051", ""]),
    ({"file": "/tmp/alive", "newer-than": "1m"}, FileProbe("/tmp/alive", 60), ["file", "/tmp/alive", "60"]),
]
TIMES = {"interval": "90s", "timeout": "500ms", "start-period": "1500ms", "retries": 20}


def loaded(value: object) -> Healthcheck:
    found = load_flags({"healthcheck": value}).healthcheck
    assert found is not None
    return found


@pytest.mark.parametrize(("value", "asks", "words"), CHECKS)
def test_what_is_asked(value: dict[str, object], asks: object, words: list[str]) -> None:
    found = loaded(value)
    assert found.asks == asks
    assert found.docker() == {"Test": ["CMD", "/app/cargoship-probe", *words]}
    assert loaded(found.stated()) == found
    timed = loaded({**value, **TIMES})
    assert timed.command == ("/app/cargoship-probe", "--timeout-ms", "250", *words)
    assert loaded(timed.stated()) == timed


@pytest.mark.parametrize("times", [{}, TIMES])
@pytest.mark.parametrize("value", [*(each[0] for each in CHECKS), {"command": ["/x", "-h"]}])
def test_the_forms_of_others_are_theirs(value: dict[str, object], times: dict[str, object]) -> None:
    check = loaded({**value, **times})
    container = {"name": "web", "image": "web", "livenessProbe": check.kubernetes()}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}
    check_pod(pod)
    task = {"family": "f", "containerDefinitions": [{"name": "web", "image": "web", "healthCheck": check.ecs()}]}
    check_task(task)
    check_compose({"services": {"web": {"image": "web", "healthcheck": check.compose()}}})
    if times:
        assert check.ecs()["timeout"] == 2
        assert check.ecs()["retries"] == 10
        assert check.kubernetes()["initialDelaySeconds"] == 2
        assert check.compose() == {
            "test": ["CMD", *check.command], "interval": "90000ms", "timeout": "500ms", "start_period": "1500ms",
            "retries": 20,
        }  # fmt: skip


@pytest.mark.parametrize("retries", [1, 20])
@pytest.mark.parametrize("time", ["1ms", "1h"])
def test_amazon_takes_the_numbers(time: str, retries: int) -> None:
    """Between which two each may be, the model of its API says in words alone."""
    check = loaded({"tcp": 1, "interval": time, "timeout": time, "start-period": time, "retries": retries}).ecs()
    members = amazon_ecs().shape_for("HealthCheck").members
    limits = {
        name: re.findall(r"specify between (\d+) and (\d+)", each.documentation) for name, each in members.items()
    }
    assert sorted(chain(check, limits)) == sorted(2 * [*limits])
    for name, between in limits.items():
        assert [int(low) <= check[name] <= int(high) for low, high in between] == [True] * (name != "command")  # type: ignore[operator]


def test_dollars_are_none_of_what_puts_variables_in() -> None:
    check = loaded({"file": "/tmp/$(A)/$B", "newer-than": "1s"})
    assert check.docker()["Test"] == check.ecs()["command"] == ["CMD", PROBE, "file", "/tmp/$(A)/$B", "1"]
    assert check.compose()["test"] == ["CMD", PROBE, "file", "/tmp/$$(A)/$$B", "1"]
    assert check.kubernetes() == {"exec": {"command": [PROBE, "file", "/tmp/$$(A)/$B", "1"]}}


def test_kubelet_asks_by_itself_where_it_can() -> None:
    forms = [loaded(value).kubernetes() for value, _, _ in CHECKS]
    assert [next(iter(form)) for form in forms] == ["httpGet", "tcpSocket", "tcpSocket", "grpc", "grpc", "exec"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "asks nothing"),
        ({"interval": "1s"}, "asks nothing"),
        ({"http": "/", "tcp": 1, "port": 1}, "asks http and tcp"),
        ({"http": "/health"}, "'port' is missing"),
        ({"http": "health", "port": 80}, "begin it with /"),
        ({"http": "/a b", "port": 80}, "leave blanks out"),
        ({"http": "/a\r\nX: y", "port": 80}, "is not the path of a request"),
        ({"http": "/", "port": 0}, "healthcheck.port: '0' is not a port"),
        ({"http": "/", "port": "53/udp"}, "must be a TCP port"),
        ({"http": "/", "port": True}, "expected a port"),
        ({"tcp": 1, "port": 1}, "unknown key"),
        ({"grpc": "a b", "port": 1}, "is not a service"),
        ({"file": "alive", "newer-than": "1s"}, "must be an absolute path"),
        ({"file": "/alive"}, "'newer-than' is missing"),
        ({"file": "/alive", "newer-than": "10ms"}, "must be a second or more"),
        ({"htpp": "/", "port": 1}, 'did you mean "http"'),
        (7, "expected a list of words or a table"),
    ],
)
def test_what_is_refused(value: object, words: str) -> None:
    with pytest.raises(CargoshipError) as caught:
        load_flags({"healthcheck": value})
    assert words in caught.value.message


def test_the_schema_takes_what_is_taken() -> None:
    import jsonschema  # noqa: PLC0415 - seconds

    for value, _, _ in CHECKS:
        jsonschema.validate(dict(value) | TIMES, HEALTHCHECK.schema)
    for wrong in ({}, {"http": "/"}, {"tcp": 1, "port": 1}, {"http": "/", "port": 1, "tcp": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, HEALTHCHECK.schema)
