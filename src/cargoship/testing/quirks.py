"""What registries do that others do not, each by a name: `InMemoryRegistry(quirks=["mount-401"])`.

Each has been met in the wild. A quirk stands between a request and the registry: it may change either.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping

from cargoship.testing.exchange import Call
from cargoship.testing.holdings import digest_of
from cargoship.testing.kinds_of_quirks import (
    UPLOADS,
    OnlyOnce,
    adding_headers,
    changing_header,
    linking,
    mislabelling,
    mounting_in_words,
    packing,
    patched_first,
    raced,
    refusing,
    refusing_without,
    remembering,
    restating,
    sending_to_storage,
    typed_as,
)
from cargoship.testing.quirk import Quirk, QuirkyRegistry
from cargoship.testing.quirks_of_logins import (
    CHALLENGE,
    challenged,
    challenged_at_the_door,
    ended_token,
    expires_in,
    one_scope_at_a_time,
    token_with,
)


def _relative(registry: QuirkyRegistry, call: Call, text: str) -> str:
    """From where the request was: only the last part of the address, as RFC 3986 section 5.2 has it."""
    del registry
    here, there = call.path.rpartition("/")[0], text
    return there.removeprefix(here + "/") if there.startswith(here + "/") else there


_GOING = "/blobs/uploads/[0-9a-f]+$"
_NOBODY = "https://nobody.example/token"
_BUSY = (408, 425, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524)
_ODD_DIGESTS: Mapping[str, Callable[[QuirkyRegistry, Call, str], str]] = {
    "empty": lambda *_: "",
    "in-capitals": lambda _registry, _call, text: text.upper(),
    "in-quotes": lambda _registry, _call, text: f'"{text}"',
    "twice": lambda _registry, _call, text: f"{text}, {text}",
    "bare": lambda _registry, _call, text: text.partition(":")[2],
}

QUIRKS: Mapping[str, Quirk] = {
    # who asks
    "challenge-at-the-door-401": challenged_at_the_door(401),
    "challenge-at-the-door-403": challenged_at_the_door(403),
    "challenge-at-the-door-404": challenged_at_the_door(404),
    "dead-bearer-before-basic": challenged(
        lambda registry, text: f'Bearer realm="{registry.url}/none",service="s"\n{text}'
    ),
    "dead-bearer-after-basic": challenged(lambda registry, text: f'{text}, Bearer realm="{registry.url}/none"'),
    "bearer-without-realm-beside-basic": challenged(lambda _, text: f"Bearer\n{text}"),
    "two-bearers": challenged(lambda _, text: f'{text}, Bearer realm="{_NOBODY}",service="other"'),
    "negotiate-first": challenged(lambda _, text: f"Negotiate YIIabc+/def==\nNTLM, {text}"),
    "unknown-schemes-around": challenged(lambda _, text: f'Digest realm="r", nonce="n" , {text}, AWS4 x=1'),
    "realm-unquoted": challenged(lambda _, text: re.sub(r'realm="([^"]*)"', r"realm=\1", text)),
    "realm-relative": challenged(lambda registry, text: text.replace(registry.url, "")),
    "spaces-and-case": challenged(
        lambda _, text: text.replace("Bearer", "bEARER").replace("realm=", "Realm = ").replace(",", "  ,  ")
    ),
    "scope-opaque": challenged(lambda _, text: re.sub(r'scope="[^"]*"', 'scope="aws"', text)),
    "one-basic-challenge": OnlyOnce(
        "PUT|PATCH|GET", "/v2/.+/(manifests|blobs)/", 401, skip=2, headers={CHALLENGE: 'Basic realm="harbor"'}
    ),
    "one-scope-400": one_scope_at_a_time(400),
    "one-scope-403": one_scope_at_a_time(403),
    "one-scope-500": one_scope_at_a_time(500),
    "ended-token-400": ended_token(400),
    "ended-token-401": ended_token(401),
    "ended-token-403": ended_token(403),
    "expires-in-text": expires_in('"300"'),
    "expires-in-fraction": expires_in("299.5"),
    "expires-in-zero": expires_in("0"),
    "expires-in-negative": expires_in("-1"),
    "expires-in-null": expires_in("null"),
    "expires-in-for-ever": expires_in("1e400"),
    "access-token": token_with(lambda body: body.replace(b'"token"', b'"access_token"')),
    "token-gzip": token_with(lambda body: gzip.compress(body, mtime=0), {"Content-Encoding": "gzip"}),
    **{f"token-{status}": restating("GET|POST", "^/token$", status) for status in (201, 202, 203)},
    "token-html": token_with(lambda body: body, {"Content-Type": "text/html; charset=utf-8"}),
    "token-empty-beside-access-token": token_with(
        lambda body: body.replace(b'"token"', b'"token": "", "access_token"')
    ),
    "token-null-beside-access-token": token_with(
        lambda body: body.replace(b'"token"', b'"token": null, "access_token"')
    ),
    "token-twice": token_with(lambda body: re.sub(rb'"token": ("[^"]+")', rb'"access_token": \1, "token": \1', body)),
    "issued-at-odd": token_with(lambda body: body.replace(b"{", b'{"issued_at": "yesterday", ', 1)),
    "issued-at-future": token_with(lambda body: body.replace(b"{", b'{"issued_at": "2999-01-01T00:00:00Z", ', 1)),
    "challenge-with-error": challenged(lambda _, text: text + ',error="invalid_token",error_description="a, \\"b\\""'),
    "challenge-with-empty-parts": challenged(lambda _, text: ", " + text.replace(",", ",\t,") + ","),
    "realm-in-capitals": challenged(lambda registry, text: text.replace(registry.host, registry.host.upper())),
    "realm-with-port": challenged(lambda registry, text: text.replace(registry.url, _with_port(registry.url))),
    "realm-with-fragment": challenged(lambda _, text: text.replace('/token"', '/token#part"')),
    "expires-in-words": expires_in('"an hour"'),
    "token-in-capitals": token_with(lambda body: body.replace(b'"token"', b'"Token"')),
    "realm-with-query": challenged(lambda _, text: text.replace('/token"', '/token?account=me"')),
    "scope-twice": challenged(lambda _, text: text + ',scope="repository:other/one:pull"'),
    "service-empty": challenged(lambda _, text: re.sub('service="[^"]*"', 'service=""', text)),
    "service-missing": challenged(lambda _, text: re.sub(',?service="[^"]*"', "", text)),
    # what is there
    **{
        f"head-blob-{status}": refusing("HEAD", "/blobs/", status)
        for status in (400, 403, 404, 405, 410, 500, 501, 502, 504)
    },
    "head-blob-to-storage": sending_to_storage,
    "head-blob-remembered": remembering,
    **{
        f"head-manifest-{status}": refusing("HEAD", "/manifests/", status)
        for status in (400, 403, 404, 405, 410, 500, 501, 502, 504)
    },
    # uploads
    **{
        f"mount-{status}": refusing("POST", UPLOADS, status, "mount")
        for status in (400, 401, 403, 404, 405, 409, 500, 502, 503)
    },
    "mount-in-words": mounting_in_words,
    **{
        f"mount-from-nowhere-{status}": refusing_without("POST", UPLOADS, status, query="mount", unless="from")
        for status in (400, 401, 403, 404, 405, 500, 502)
    },
    **{f"post-{status}": restating("POST", "/uploads/$", status) for status in (200, 201, 204)},
    **{f"patch-{status}": restating("PATCH", _GOING, status) for status in (200, 201, 204)},
    **{f"put-blob-{status}": restating("PUT", _GOING, status) for status in (200, 202, 204)},
    **{f"put-manifest-{status}": restating("PUT", "/manifests/", status) for status in (200, 202, 204)},
    **{
        f"patch-never-{status}": refusing("PATCH", _GOING, status)
        for status in (400, 403, 404, 405, 411, 416, 500, 501)
    },
    **{f"patched-first-{status}": patched_first(status) for status in (404, 405)},
    "blob-raced": raced,
    "patch-lost-404": OnlyOnce("PATCH", _GOING, 404, skip=1),
    "patch-lost-416": OnlyOnce("PATCH", _GOING, 416, skip=1),
    "put-lost-404": OnlyOnce("PUT", _GOING, 404),
    "location-absolute": changing_header(
        "POST|PATCH", UPLOADS, "Location", lambda registry, _, text: registry.url + text
    ),
    "location-with-port": changing_header(
        "POST|PATCH", UPLOADS, "Location", lambda registry, _, text: _with_port(registry.url) + text
    ),
    "location-by-scheme": changing_header(
        "POST|PATCH", UPLOADS, "Location", lambda registry, _, text: "//" + registry.host + text
    ),
    "location-in-http": changing_header(
        "POST|PATCH", UPLOADS, "Location", lambda registry, _, text: "http://" + registry.host + text
    ),
    "location-relative": changing_header("POST|PATCH", UPLOADS, "Location", _relative),
    "location-without-slash": changing_header("POST|PATCH", UPLOADS, "Location", lambda _r, _c, text: text.lstrip("/")),
    "location-with-fragment": changing_header("POST|PATCH", UPLOADS, "Location", lambda _r, _c, text: text + "#part"),
    "location-with-empty-parts": changing_header(
        "POST|PATCH", UPLOADS, "Location", lambda _r, _c, text: text.replace("?", "?a=&b&") + "&"
    ),
    "location-missing-after-chunks": changing_header("PATCH", UPLOADS, "Location", lambda *_: None),
    "range-missing": changing_header("PATCH", UPLOADS, "Range", lambda *_: None),
    "range-off-by-one": changing_header("PATCH", UPLOADS, "Range", lambda _r, _c, text: _one_more(text)),
    "range-stuck": changing_header("PATCH", UPLOADS, "Range", lambda *_: "0-59"),  # aws/containers-roadmap#2831
    "range-in-bytes": changing_header("PATCH", UPLOADS, "Range", lambda _r, _c, text: "bytes=" + text),
    "range-unreadable": changing_header("PATCH", UPLOADS, "Range", lambda *_: "all of it"),
    "another-algorithm": changing_header(
        "GET|HEAD|PUT",
        "/(manifests|blobs)/",
        "Docker-Content-Digest",
        lambda registry, _, text: _in_sha512(registry, text),
    ),
    "unknown-algorithm": changing_header(
        "GET|HEAD|PUT", "/(manifests|blobs)/", "Docker-Content-Digest", lambda *_: "blake3:" + "0" * 64
    ),
    "sha512-manifests-400": refusing("PUT|GET|HEAD", "/manifests/sha512:", 400),
    "no-digest-header": changing_header(
        "GET|HEAD|PUT", "/(manifests|blobs)/", "Docker-Content-Digest", lambda *_: None
    ),
    **{
        f"odd-digest-{name}": changing_header("GET|HEAD|PUT", "/(manifests|blobs)/", "Docker-Content-Digest", change)
        for name, change in _ODD_DIGESTS.items()
    },
    "put-blob-without-location": changing_header("PUT", _GOING, "Location", lambda *_: None),
    "put-manifest-without-location": changing_header("PUT", "/manifests/", "Location", lambda *_: None),
    "mount-without-location": changing_header(
        "POST", UPLOADS, "Location", lambda _r, _c, text: None if "/blobs/sha" in text else text
    ),
    "upload-without-uuid": changing_header("POST|PATCH", UPLOADS, "Docker-Upload-UUID", lambda *_: None),
    "chunk-minimum-unreadable": adding_headers("POST", UPLOADS, {"OCI-Chunk-Min-Length": "many"}),
    "chunk-minimum-large": adding_headers("POST", UPLOADS, {"OCI-Chunk-Min-Length": "10485760"}),
    # what content is said to be
    "changed-on-the-way": restating("GET|HEAD", "/(manifests|blobs|tags)/", 203),
    "type-with-charset": typed_as(lambda text: text + "; charset=utf-8"),
    "type-in-capitals": typed_as(str.upper),
    "type-generic": typed_as(lambda _: "application/json"),
    "type-binary": typed_as(lambda _: "binary/octet-stream"),
    "type-empty": typed_as(lambda _: ""),
    "type-missing": typed_as(lambda _: None),
    "etag-weak": changing_header("GET|HEAD", "/(manifests|blobs)/", "ETag", lambda _r, _c, text: f"W/{text}"),
    "etag-missing": changing_header("GET|HEAD", "/(manifests|blobs)/", "ETag", lambda *_: None),
    "ranges-none": changing_header("GET|HEAD", "/blobs/", "Accept-Ranges", lambda *_: "none"),
    # passing trouble, and what is said beside an answer
    **{f"busy-manifest-{status}": OnlyOnce("PUT", "/manifests/", status) for status in _BUSY},
    **{f"busy-upload-{status}": OnlyOnce("POST", UPLOADS, status) for status in _BUSY},
    **{
        f"{code.lower().replace('_', '-')}-{status}": OnlyOnce("PUT", "/manifests/", status, code=code)
        for status in (400, 404)
        for code in ("BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN", "MANIFEST_UNKNOWN")
    },
    "busy-until-a-date": OnlyOnce("PUT", "/manifests/", 429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    "busy-until-unreadable": OnlyOnce("PUT", "/manifests/", 503, headers={"Retry-After": "soon"}),
    "warnings": adding_headers("GET|PUT", "/manifests/", {"Warning": '299 - "this registry is moving"'}),
    "rate-limit-headers": adding_headers("GET|HEAD", "/manifests/", {"RateLimit-Remaining": "0;w=21600"}),
    "api-version-old": adding_headers("GET|HEAD|POST", "/v2/", {"Docker-Distribution-API-Version": "registry/1.0"}),
    "cookies": adding_headers("GET|HEAD|POST|PUT", "/v2/", {"Set-Cookie": "sid=1; Path=/; HttpOnly"}),
    # encodings
    "manifests-gzip": packing("/manifests/"),
    "manifests-x-gzip": packing("/manifests/", "X-GZIP"),
    "tags-gzip": packing("/tags/list"),
    "blobs-gzip": packing("/blobs/sha"),
    "blobs-called-gzip": mislabelling,
    # lists
    "tags-link-to-itself": linking(lambda call: f'<{call.path}>; rel="next"'),
    "tags-link-without-brackets": linking(lambda call: f'{call.path}?last=zzz; rel="next"'),
}
"""By name; `docs/testing.md` says what they are."""


def _in_sha512(registry: QuirkyRegistry, digest: str) -> str:
    """The other name of something that is there."""
    manifests = (each.manifests for each in registry.contents.repositories.values())
    found = next((each[digest][1] for each in manifests if digest in each), None)
    return digest_of(registry.contents.blobs[digest] if found is None else found, "sha512")


def _with_port(url: str) -> str:
    """With the port that goes without saying."""
    scheme, _, place = url.partition("://")
    return url if ":" in place else f"{url}:{443 if scheme == 'https' else 80}"


def _one_more(text: str) -> str:
    """The length of what has arrived, where the specification wants its last position."""
    last = int(text.partition("-")[2])
    return f"0-{last + 1}"
