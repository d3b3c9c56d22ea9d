"""The HTTP/1.1 server under every twin: keep-alive, one send per answer, faults down to the socket.

A twin is a `Service`: it answers wire requests and `/_twin/…` requests. The server reads requests, asks the fault plan,
holds the service's lock while the service acts, and writes. Admin requests never meet a fault.
"""

import contextlib
import re
import socket
import socketserver
import ssl
import struct
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from msgspec import Struct, field

from connectors.simulated.faults import INSTEAD, FaultError, Faults

MAX_BODY = 64 * 1024 * 1024
ADMIN = "/_twin/"
_DIGITS = re.compile(r"/\d+(?=/|$)")
_MAINTENANCE = (
    b"<!DOCTYPE html><html><body><h1>Back in a moment</h1><p>The site is being looked after.</p></body></html>"
)


class Request(Struct):
    """One request as it came. Header names are lower case; the query keeps order and repeats."""

    method: str
    target: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    secure: bool

    def json(self) -> Any:
        """The decoded body; an empty body is an empty object. Raises `msgspec.DecodeError`."""
        return msgspec.json.decode(self.body) if self.body.strip() else {}

    @property
    def origin(self) -> str:
        """Scheme, host and port as the client wrote them."""
        return f"{'https' if self.secure else 'http'}://{self.headers.get('host', '')}"


class Answer(Struct):
    """One answer. When `rows` is given the body is a JSON array of those already rendered rows, or `frame` around them."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    rows: list[bytes] | None = None
    content_type: str = "application/json; charset=UTF-8"
    frame: tuple[bytes, bytes] = (b"[", b"]")

    def listed(self, rows: list[bytes]) -> bytes:
        """The body that holds these rows."""
        return self.frame[0] + b",".join(rows) + self.frame[1]


def answer_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """An answer that holds `value` as JSON."""
    return Answer(status, msgspec.json.encode(value), headers or {})


class Service:
    """What a twin is: subclasses answer `handle`, `admin_route`, `refusal` and `hello`."""

    base = ""
    """Where it listens, told before the first request comes."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.faults = Faults()
        self.calls: Counter[str] = Counter()
        self.active = 0
        self.peak_parallel = 0
        self.late: list[Request] = []
        """Requests that were cut off and have not arrived yet."""

    def release(self) -> int:
        """Let late requests arrive now: act on them, with nobody to answer; how many there were."""
        with self.lock:
            arrived, self.late = self.late, []
            for request in arrived:
                self.handle(request)
            return len(arrived)

    def hello(self) -> dict[str, object]:
        """What a client needs to connect; stands in the line that says the twin is ready."""
        raise NotImplementedError

    def handle(self, request: Request) -> Answer:
        """Answer a wire request; called with the lock held."""
        raise NotImplementedError

    def admin_route(self, method: str, path: str, body: Any) -> Any:
        """Answer an admin request with a JSON value; raises `LookupError` for an unknown route."""
        raise NotImplementedError

    def refusal(self, status: int) -> Answer:
        """A refusal with this HTTP status in the platform's own error shape."""
        raise NotImplementedError

    def admin(self, request: Request) -> Answer:
        """Answer an admin request: what all twins share, else the twin's own routes."""
        name = request.path.removeprefix(ADMIN)
        try:
            body = request.json()
            if name == "faults":
                if request.method == "POST":
                    self.faults.configure(body)
                return answer_json(self.faults.counts())
            if name == "release":
                return answer_json({"acted": self.release()})
            with self.lock:
                if name == "calls":
                    return answer_json({"calls": dict(sorted(self.calls.items())), "peak_parallel": self.peak_parallel})
                return answer_json(self.admin_route(request.method, name, body))
        except (FaultError, msgspec.MsgspecError, ValueError, TypeError) as error:
            return answer_json({"error": str(error)}, 400)
        except LookupError as error:
            return answer_json({"error": f"not found: {error}"}, 404)


class _Connection(socketserver.BaseRequestHandler):
    """One client connection, many requests."""

    server: "TwinServer"
    request: socket.socket

    def handle(self) -> None:
        """Serve requests until either side closes."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if isinstance(self.request, ssl.SSLSocket):
            self.request.settimeout(10)
            try:
                self.request.do_handshake()
            except OSError:
                return
            self.request.settimeout(None)
        reader = self.request.makefile("rb")
        with contextlib.suppress(OSError, ValueError), reader:
            while (request := self._read(reader)) is not None:
                if not self._serve(request, reader):
                    break

    def _read(self, reader: BinaryIO) -> Request | None:
        line = reader.readline(65537)
        while line in (b"\r\n", b"\n"):
            line = reader.readline(65537)
        parts = line.decode("latin-1").split()
        if len(parts) != 3:
            return None
        headers: dict[str, str] = {}
        while (raw := reader.readline(65537)) not in (b"\r\n", b"\n", b""):
            name, _sep, value = raw.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._body(reader, headers)
        split = urlsplit(parts[1])
        query = parse_qsl(split.query, keep_blank_values=True)
        secure = isinstance(self.request, ssl.SSLSocket)
        return Request(parts[0].upper(), parts[1], unquote(split.path), query, headers, body, secure)

    @staticmethod
    def _body(reader: BinaryIO, headers: dict[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            chunks = []
            while size := int(reader.readline(1024).split(b";")[0], 16):
                chunks.append(reader.read(size))
                reader.readline(1024)
            while reader.readline(65537) not in (b"\r\n", b"\n", b""):
                pass
            return b"".join(chunks)
        length = int(headers.get("content-length", "0"))
        if length > MAX_BODY:
            raise ValueError("body too large")
        return reader.read(length) if length else b""

    def _serve(self, request: Request, reader: BinaryIO) -> bool:
        """Answer one request; False when the connection must end."""
        service = self.server.service
        if request.path == f"{ADMIN}anew":
            return self._send(request, self._guarded(self.server.begin, request))
        if request.path.startswith(ADMIN):
            return self._send(request, self._guarded(service.admin, request))
        faults = service.faults
        with service.lock:
            service.calls[f"{request.method} {_DIGITS.sub('/{id}', request.path)}"] += 1
            service.active += 1
            service.peak_parallel = max(service.peak_parallel, service.active)
        try:
            kind = faults.pick(request.method, request.target)
            if kind in INSTEAD:
                return self._send(request, self._instead(kind))
            if kind == "cut_before":
                return False
            if kind == "acts_late":
                with service.lock:
                    service.late.append(request)
                return False
            if kind == "timeout_before":
                self.server.stopping.wait(faults.hold_s)
                return False
            if kind == "latency":
                self.server.stopping.wait(faults.latency_s)
            if kind == "delivered_twice":
                self._act(request)
            answer = self._act(request)
            if answer.rows is not None:
                answer.body = answer.listed(faults.spoil(kind, answer.rows))
            return self._after(kind, request, answer, reader)
        finally:
            with service.lock:
                service.active -= 1

    def _after(self, kind: str, request: Request, answer: Answer, reader: BinaryIO) -> bool:
        if kind == "cut_after":
            return self._reset(reader)
        if kind == "timeout_after":
            self.server.stopping.wait(self.server.service.faults.hold_s)
        elif kind == "http_500_after":
            answer = self.server.service.refusal(500)
        elif kind == "error_envelope_after":
            answer = self._instead("error_envelope")
        elif kind == "garbled":
            answer.body = answer.body[::-1]
        elif kind == "malformed":
            answer.body = answer.body[: max(1, len(answer.body) * 2 // 3)]
        elif kind == "reset_mid_body":
            whole = self._render(request, answer)
            self.request.sendall(whole[: len(whole) - (len(answer.body) + 1) // 2])
            return self._reset(reader)
        return self._send(request, answer)

    def _act(self, request: Request) -> Answer:
        service = self.server.service
        with service.lock:
            return self._guarded(service.handle, request)

    def _guarded(self, call: Any, request: Request) -> Answer:
        try:
            answer: Answer = call(request)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            return self.server.service.refusal(500)
        return answer

    def _instead(self, kind: str) -> Answer:
        service = self.server.service
        if kind == "html":
            return Answer(200, _MAINTENANCE, content_type="text/html; charset=UTF-8")
        if kind == "expired_token":
            return service.refusal(401)
        if kind == "error_envelope":
            answer = service.refusal(500)
            answer.status = 200
            return answer
        status = {"refused_429": 429, "throttled_no_header": 429}.get(kind) or int(kind[5:8])
        headers = {"Retry-After": str(service.faults.retry_after_s)} if kind in _WITH_RETRY_AFTER else {}
        if status in (429, 500):
            answer = service.refusal(status)
            answer.headers.update(headers)
            return answer
        return Answer(status, _MAINTENANCE, headers, content_type="text/html; charset=UTF-8")

    def _reset(self, reader: BinaryIO) -> bool:
        """Close with a TCP reset: the client sees the connection break, not end."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reader.close()
        self.request.close()
        return False

    def _render(self, request: Request, answer: Answer) -> bytes:
        phrase = HTTPStatus(answer.status).phrase
        lines = [f"HTTP/1.1 {answer.status} {phrase}", f"Content-Type: {answer.content_type}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        lines += [f"Content-Length: {len(answer.body)}", "Connection: keep-alive", "\r\n"]
        head = "\r\n".join(lines).encode("latin-1")
        return head if request.method == "HEAD" else head + answer.body

    def _send(self, request: Request, answer: Answer) -> bool:
        if answer.rows is not None and not answer.body:
            answer.body = answer.listed(answer.rows)
        self.request.sendall(self._render(request, answer))
        return request.headers.get("connection", "").lower() != "close"


_WITH_RETRY_AFTER = frozenset({"refused_429", "http_503_retry_after"})


class TwinServer(socketserver.ThreadingTCPServer):
    """A loopback server for one service; `tls` serves HTTPS. `anew` makes another service in its place, from options."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        service: Service,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        anew: Callable[[list[str]], Service] | None = None,
    ) -> None:
        self.service = service
        self.stopping = threading.Event()
        self._tls, self._anew = tls, anew
        super().__init__(("127.0.0.1", port), _Connection)
        service.base = self.url

    def begin(self, request: Request) -> Answer:
        """`POST anew`: be a twin that was just started with these options; answers its hello line."""
        if self._anew is None or request.method != "POST":
            return answer_json({"error": "not found: anew"}, 404)
        service = self._anew(request.json()["options"])
        service.base = self.url
        self.service = service
        return answer_json(service.hello())

    @property
    def url(self) -> str:
        """Where the twin listens, without a trailing slash."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.server_address[1]}"

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; the TLS handshake happens in the connection's own thread."""
        accepted, address = super().get_request()
        if self._tls is not None:
            accepted = self._tls.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        return accepted, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that vanish are normal here; anything else goes to stderr."""
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc(file=sys.stderr)

    def start(self) -> None:
        """Serve in a thread of its own."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()

    def leave(self) -> None:
        """Wake whoever is held and take nobody more: the process ends, and with it everything else."""
        self.stopping.set()
        self.server_close()

    def stop(self) -> None:
        """Stop accepting, wake whoever is held, and close."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
