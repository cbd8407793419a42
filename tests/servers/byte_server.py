"""A server on a thread that sends bytes as they are, over TLS or not: what no HTTP server sends, and what proxies do.

::

    with ByteServer(b"SSH-2.0-OpenSSH\r\n") as server:
        error = failing(f"http://127.0.0.1:{server.port}/v1")
    assert server.received[0].startswith(b"POST /v1/chat/completions")

Each connection gets one answer, the last one again for all that follow, and is closed. An answer is bytes; None, which sends
nothing; or a function from the head of the request to bytes. ``tls`` names a certificate of the folder ``certificates``. They
were made for these tests: ``own`` is of 127.0.0.1, ``expired`` and ``future`` are not valid today, ``elsewhere`` is of
models.example.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

_CERTIFICATES = Path(__file__).parent / "certificates"
#: How long a read or a write of a test lasts before it fails, in seconds.
_PATIENCE_S = 30.0

ByteAnswer = bytes | None | Callable[[bytes], bytes]


def certificate(name: str) -> str:
    """Return the path of a certificate, with its key."""
    return str(_CERTIFICATES / f"{name}.pem")


def http_answer(status: str, body: str = "", *headers: str) -> bytes:
    """Return a whole response, such as that of a proxy."""
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body.encode())}", "connection: close", *headers]
    return "\r\n".join([*head, "", body]).encode()


class ByteServer:
    """Sends bytes; see above."""

    def __init__(self, *answers: ByteAnswer, tls: str | None = None) -> None:
        self._answers, self._context = answers, None
        if tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate(tls))
        #: What each connection sent, up to the end of a request with its body, or as much as came.
        self.received: list[bytes] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(_PATIENCE_S)
            with contextlib.suppress(OSError), connection:
                if self._context is None:
                    self._answer(connection)
                else:
                    with self._context.wrap_socket(connection, server_side=True) as secure:
                        self._answer(secure)

    def _answer(self, connection: socket.socket) -> None:
        answer = self._answers[min(len(self.received), len(self._answers) - 1)]
        head = _request(connection)
        self.received.append(head)
        connection.sendall(answer(head) if callable(answer) else answer or b"")


def _request(connection: socket.socket) -> bytes:
    """Read one request with its body; a client that does not speak HTTP sends a piece and is answered."""
    data = connection.recv(65536)
    while data[:4] in {b"POST", b"GET "} and not _is_whole(data):
        piece = connection.recv(65536)
        if not piece:
            break
        data += piece
    return data


def _is_whole(data: bytes) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    length = next((line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"0")
    return bool(end) and len(body) >= int(length)
