"""How long the head of a request may be: the server's own parser keeps whatever comes."""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 64 * 1024
"""What a proxy or a browser sends is far less. A piece that is read at once, of at most 256 KiB, is
looked at as a whole."""
TOO_LONG: Final = "The head of the request is too long."


class BoundedHead(HttpToolsProtocol):
    """HTTP/1.1 as the server speaks it, but for heads without an end."""

    _in_head = True
    _head_bytes = 0

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response(TOO_LONG)
