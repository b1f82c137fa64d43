"""How a client reaches its server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc

#: A lookup changes nothing, so that one that found nobody is asked again within its deadline.
_RETRIED = {
    "methodConfig": [
        {
            "name": [{"service": "feat.v1.OnlineService"}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}

#: Answers may be as large as the server makes them.
OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.service_config", json.dumps(_RETRIED)),
]


def credentials(tls: bool, ca: str | Path | bytes | None) -> grpc.ChannelCredentials | None:
    """What a channel is encrypted with; None: nothing.

    `ca` is the certificate, in PEM or as a file, of who signed the server's; it implies `tls`.
    """
    if not tls and ca is None:
        return None
    roots = Path(ca).read_bytes() if isinstance(ca, (str, Path)) else ca
    return grpc.ssl_channel_credentials(root_certificates=roots)


def metadata(key: str | None) -> list[tuple[str, str]]:
    """What every call carries."""
    return [] if key is None else [("authorization", f"Bearer {key}")]
