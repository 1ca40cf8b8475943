"""A build as spans: what a collector gets, judged by the protocol's own messages."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cargoship.cli.results.outcome import send_failed
from cargoship.cli.results.telemetry import SpansUnsent, send_spans, wants_spans
from cargoship.cli.session import CliSession, World
from cargoship.records.folder import RecordFolder
from support.build_records import sample_record

BEGAN_NS = 1_800_000_000_000_000_000 + 3 * 10**9
"""2027-01-15T08:00:03Z."""


@pytest.fixture
def got(httpserver: HTTPServer) -> list[Span]:
    found: list[Span] = []

    def take(request: Request) -> Response:
        asked = ExportTraceServiceRequest.FromString(request.get_data())
        found.extend(span for each in asked.resource_spans for scope in each.scope_spans for span in scope.spans)
        return Response(b"", content_type="application/x-protobuf")

    httpserver.expect_request("/v1/traces", method="POST").respond_with_handler(take)
    return found


def test_a_collector_gets_the_build_its_phases_and_its_units(got: list[Span], httpserver: HTTPServer) -> None:
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": httpserver.url_for("/"),
        "TRACEPARENT": f"00-{trace}-{parent}-01",
    }
    record = sample_record(3)
    send_spans(record, env)
    root, *others = got
    assert (root.name, root.trace_id.hex(), root.parent_span_id.hex()) == ("cargoship build", trace, parent)
    assert root.end_time_unix_nano - root.start_time_unix_nano == 12_500_000_000
    by_id = {span.span_id: span.name for span in got}
    timed = [unit for unit in record.units if unit.began is not None]
    assert [(span.name, by_id[span.parent_span_id]) for span in others] == [
        ("metadata", "cargoship build"),
        ("compile", "cargoship build"),
        *((unit.name, "compile") for unit in timed),
    ]
    assert root.start_time_unix_nano == BEGAN_NS
    app = others[-1]
    assert app.start_time_unix_nano - root.start_time_unix_nano == 4_000_000_000
    assert app.end_time_unix_nano - app.start_time_unix_nano == 2_500_000_000


@pytest.mark.parametrize(
    ("outcome", "began", "sent"),
    [
        ("failed", datetime(2027, 1, 15, 8, 0, 2, tzinfo=UTC), True),
        ("failed", datetime(2027, 1, 15, 8, 0, 4, tzinfo=UTC), False),
        ("built", datetime(2027, 1, 15, 8, 0, 2, tzinfo=UTC), False),
    ],
)
def test_a_build_that_failed_is_sent_and_no_earlier_one_in_its_place(
    got: list[Span], httpserver: HTTPServer, tmp_path: Path, outcome: str, began: datetime, *, sent: bool
) -> None:
    record = sample_record(3, outcome=outcome, error="CompileFailed" if outcome == "failed" else "")
    path = RecordFolder(tmp_path).keep(record)
    world = World({"OTEL_EXPORTER_OTLP_ENDPOINT": httpserver.url_for("/")}, tmp_path, io.StringIO(), io.StringIO())
    session = CliSession(world)
    with session.work() as context:
        send_failed(session, path, context, began)
    assert bool(got) is sent
    if sent:
        assert (got[0].status.code, got[0].status.message) == (Status.STATUS_CODE_ERROR, "CompileFailed")


def test_a_collector_that_refuses_is_one_error(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/traces").respond_with_data("no", status=400)
    with pytest.raises(SpansUnsent, match="does not take spans"):
        send_spans(sample_record(), {"OTEL_EXPORTER_OTLP_ENDPOINT": httpserver.url_for("")})


@pytest.mark.parametrize(
    ("env", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://h:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
    ],
)
def test_spans_are_sent_where_a_collector_is_named(env: dict[str, str], wanted: bool) -> None:  # noqa: FBT001
    assert wants_spans(env) is wanted
