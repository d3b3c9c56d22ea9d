"""A wire between a client and a twin that can be cut: the network of a test."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Line:
    """Passes every byte on between its own address and a twin's. Use it as a context manager.

    `off()` is a network that is gone: connections are refused, those that were open are broken off. `on()` brings it
    back at the same address. `stuck()` is a change of network: open connections stay open and nothing comes through.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._twin = (str(parts.hostname), int(parts.port or 80))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stuck = threading.Event()
        # Bound and never listening: while the line is off the port refuses, and nobody else gets it.
        self._kept = self._bound(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._kept.getsockname()[1]}"
        self._listener: socket.socket | None = None
        self.on()

    @staticmethod
    def _bound(address: tuple[str, int]) -> socket.socket:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
        return made

    def on(self) -> None:
        """Let everything through again."""
        self._stuck.clear()
        if self._listener is None:
            self._listener = self._bound(self._kept.getsockname())
            self._listener.listen(128)
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def off(self) -> None:
        """Refuse connections and break off those that are open."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._break_off()

    def stuck(self) -> None:
        """Nothing comes through the connections that are open, and nobody is told; new ones work after `on()`."""
        self._stuck.set()

    def close(self) -> None:
        """End it."""
        self.off()
        self._kept.close()

    def _break_off(self) -> None:
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _address = listener.accept()
            except OSError:
                return
            try:
                twin = socket.create_connection(self._twin, timeout=10)
            except OSError:
                client.close()
                continue
            twin.settimeout(None)
            with self._lock:
                self._open |= {client, twin}
            ended = threading.Event()
            for source, target in ((client, twin), (twin, client)):
                threading.Thread(target=self._pump, args=(source, target, ended), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, other_ended: threading.Event) -> None:
        lost = False
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                # What came while the line was stuck never arrives, and neither does what comes after it.
                lost = lost or self._stuck.is_set()
                if not lost:
                    target.sendall(part)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
        if other_ended.is_set():
            with self._lock:
                self._open -= {source, target}
            source.close()
            target.close()
        other_ended.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
