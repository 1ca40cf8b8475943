"""Health checks: what is asked of a program, and the forms that Docker, Kubernetes, Compose and Amazon ECS have for it.

A check runs a command of the image's own, or asks by cargoship's probe, a static program that needs no shell. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from msgspec import Struct

PROBE = "/app/cargoship-probe"
"""Where the probe is in an image whose health check asks by it."""
_NANOS = 10**9
_EARLIER_NS = 5 * 10**8
_HTTP_PATH = re.compile(r"/[!-~]*")
_SERVICE = re.compile(r"[A-Za-z0-9_.]{0,100}")


class HttpProbe(Struct, frozen=True):
    """Healthy: GET answers with a status from 200 to 399, without TLS."""

    path: str
    port: int

    @property
    def words(self) -> tuple[str, ...]:
        """What the probe is started with."""
        return ("http", str(self.port), self.path)


class TcpProbe(Struct, frozen=True):
    """Healthy: the port takes connections."""

    port: int

    @property
    def words(self) -> tuple[str, ...]:
        """What the probe is started with."""
        return ("tcp", str(self.port))


class GrpcProbe(Struct, frozen=True):
    """Healthy: grpc.health.v1 says SERVING of the service; "" is the server as a whole."""

    service: str
    port: int

    @property
    def words(self) -> tuple[str, ...]:
        """What the probe is started with."""
        return ("grpc", str(self.port), self.service)


class FileProbe(Struct, frozen=True):
    """Healthy: the file has been changed within the last seconds."""

    path: str
    newer_than_s: int

    @property
    def words(self) -> tuple[str, ...]:
        """What the probe is started with."""
        return ("file", self.path, str(self.newer_than_s))


Probe = HttpProbe | TcpProbe | GrpcProbe | FileProbe


class Healthcheck(Struct, frozen=True):
    """How an engine finds out whether a container works: a command of the image, or what the probe asks."""

    asks: tuple[str, ...] | Probe
    interval_ns: int | None = None
    timeout_ns: int | None = None
    start_period_ns: int | None = None
    retries: int | None = None

    @property
    def probe(self) -> Probe | None:
        """What the probe asks; None where a command is run."""
        return None if isinstance(self.asks, tuple) else self.asks

    @property
    def port(self) -> int | None:
        """The TCP port that is asked."""
        return None if self.probe is None or isinstance(self.probe, FileProbe) else self.probe.port

    @property
    def command(self) -> tuple[str, ...]:
        """What is run in the container."""
        if isinstance(self.asks, tuple):
            return self.asks
        if self.timeout_ns is None:
            return (PROBE, *self.asks.words)
        # earlier than the engine, which would end it before it says what is wrong; starting it takes time, too
        limit_ms = max(1, max(self.timeout_ns - _EARLIER_NS, self.timeout_ns // 2) // 10**6)
        return (PROBE, "--timeout-ms", str(limit_ms), *self.asks.words)

    def docker(self) -> dict[str, object]:
        """Return the `Healthcheck` object of Docker's image configuration; OCI has no field for it."""
        fields: dict[str, object] = {"Test": ["CMD", *self.command]}
        numbers = {
            "Interval": self.interval_ns,
            "Timeout": self.timeout_ns,
            "StartPeriod": self.start_period_ns,
            "Retries": self.retries,
        }
        return fields | {name: number for name, number in numbers.items() if number is not None}

    def kubernetes(self) -> dict[str, object]:
        """Return a probe of Kubernetes (core/v1, Probe): kubelet asks by itself where it can."""
        how: dict[str, object]
        match self.probe:
            case HttpProbe(path, port):
                how = {"httpGet": {"path": path, "port": port}}
            case TcpProbe(port):
                how = {"tcpSocket": {"port": port}}
            case GrpcProbe(service, port):
                how = {"grpc": {"port": port, **({"service": service} if service else {})}}
            case _:
                # kubelet puts variables in for $(NAME)
                how = {"exec": {"command": [word.replace("$(", "$$(") for word in self.command]}}
        start = _seconds(self.start_period_ns)
        times = {
            # a period of 0 would be refused; waiting for nothing need not be said
            "initialDelaySeconds": start or None,
            "periodSeconds": _seconds(self.interval_ns, 1),
            "timeoutSeconds": _seconds(self.timeout_ns, 1),
            "failureThreshold": self.retries,
        }
        return how | {name: number for name, number in times.items() if number is not None}

    def compose(self) -> dict[str, object]:
        """Return the `healthcheck` of a service (compose-spec, 05-services.md)."""
        times = {"interval": self.interval_ns, "timeout": self.timeout_ns, "start_period": self.start_period_ns}
        # Compose puts variables in for $NAME
        made: dict[str, object] = {"test": ["CMD", *(word.replace("$", "$$") for word in self.command)]}
        made |= {name: f"{time // 10**6}ms" for name, time in times.items() if time is not None}
        return made if self.retries is None else {**made, "retries": self.retries}

    def ecs(self) -> dict[str, object]:
        """Return the `healthCheck` of a container definition, within the limits that ECS has (API, HealthCheck)."""
        numbers = {
            "interval": _seconds(self.interval_ns, 5, 300),
            "timeout": _seconds(self.timeout_ns, 2, 60),
            "retries": None if self.retries is None else min(10, self.retries),
            "startPeriod": _seconds(self.start_period_ns, 0, 300),
        }
        made: dict[str, object] = {"command": ["CMD", *self.command]}
        return made | {name: number for name, number in numbers.items() if number is not None}

    def stated(self) -> dict[str, object]:
        """Return it as Cargo.toml has it."""
        asks: dict[str, object]
        match self.asks:
            case HttpProbe(path, port):
                asks = {"http": path, "port": port}
            case TcpProbe(port):
                asks = {"tcp": port}
            case GrpcProbe(service, port):
                asks = {"grpc": service, "port": port}
            case FileProbe(path, seconds):
                asks = {"file": path, "newer-than": f"{seconds}s"}
            case words:
                asks = {"command": list(words)}
        times = {"interval": self.interval_ns, "timeout": self.timeout_ns, "start-period": self.start_period_ns}
        lasting: Mapping[str, object] = {
            key: f"{time // _NANOS}.{time % _NANOS:09d}s" for key, time in times.items() if time is not None
        }
        return {**asks, **lasting, **({} if self.retries is None else {"retries": self.retries})}


def _seconds(time_ns: int | None, lowest: int = 0, highest: int = 2**31 - 1) -> int | None:
    """Whole seconds, rounded upwards, between two limits."""
    return None if time_ns is None else min(highest, max(lowest, math.ceil(time_ns / _NANOS)))


def parse_http_path(text: str) -> str:
    """Check what HTTP asks for, such as `/health?full=1`."""
    if not _HTTP_PATH.fullmatch(text):
        raise ValueError(f"{text!r} is not the path of a request: begin it with /, and leave blanks out")
    return text


def parse_service(text: str) -> str:
    """Check the name of a service of gRPC; empty: the server as a whole."""
    if not _SERVICE.fullmatch(text):
        raise ValueError(f'{text!r} is not a service, such as "greeter.v1.Greeter", or "" for the server as a whole')
    return text
