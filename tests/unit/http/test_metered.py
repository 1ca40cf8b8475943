"""What travels is reported while it does."""

from __future__ import annotations

from cargoship.events import BytesMoved, Event
from cargoship.http.exchange import ReadResponse, Request, Response
from cargoship.http.metered import Meter, Metered


class Answering:
    """Reads all that is sent, and answers with some bytes."""

    def send(self, request: Request) -> Response:
        assert request.body is not None
        assert b"".join(request.body()) == b"abc" * 3
        return ReadResponse(200, {"x": "y"}, b"answer")

    def close(self) -> None:
        return


def test_contents_are_counted_in_both_directions() -> None:
    reported: list[Event] = []
    now = [0.0]
    transport = Metered(Answering(), Meter(reported.append, "registry", lambda: now[0]))

    def body() -> list[bytes]:
        now[0] += 1
        return [b"abc", b"abc", b"abc"]

    with transport.send(Request("PUT", "http://x/", body=body, body_bytes=9)) as response:
        assert (response.status, response.headers) == (200, {"x": "y"})
        assert b"".join(response.chunks()) == b"answer"
    moved = [event for event in reported if isinstance(event, BytesMoved)]
    assert len(moved) == len(reported)
    assert sum(event.sent_bytes for event in moved) == 9
    assert sum(event.received_bytes for event in moved) == 6
    # the first piece at once, those of the same moment together
    assert moved[0] == BytesMoved("registry", 3, 0)
    assert moved[1] == BytesMoved("registry", 6, 0)
    transport.close()
