"""By HTTPS, the address that was looked at is connected to, under the name's certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

from tests.api.certificates import make
from tests.api.delivery.receiver import letter, receiving, sender, stored


def test_the_certificate_is_that_of_the_name(tmp_path: Path) -> None:
    certificate, key = make(tmp_path)
    trusted = ssl.create_default_context(cafile=str(certificate))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    with receiving(secure=serving) as receiver:
        port = receiver.url.split(":")[2].split("/")[0]

        def sent(host: str, context: ssl.SSLContext | None = trusted) -> str:
            url = f"https://{host}:{port}/alerts"
            here = sender(url, trusted=context, resolve=lambda *_: ["127.0.0.1"])
            return here.send(letter(stored())).why

        assert sent("localhost") == ""
        assert receiver.got[0].headers["host"] == f"localhost:{port}"
        assert "cannot be reached" in sent("receiver.test"), "no certificate of that name"
        assert "cannot be reached" in sent("localhost", None), "nobody believes it"
        assert len(receiver.got) == 1
