"""Keys, TLS and the other ways to reach a server."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from conftest import NOON, Server, asked, filled, run

import feat
from feat.v1 import registry_pb2


def certificates(folder: Path) -> None:
    """A certificate of 127.0.0.1 that signs itself."""
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    words += " -addext subjectAltName=IP:127.0.0.1"
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*words.split(), *files], check=True, capture_output=True)


@pytest.fixture
def guarded(tmp_path: Path) -> Server:
    """A shop behind TLS and keys."""
    certificates(tmp_path)
    (tmp_path / "shop").mkdir()
    options = ["--tls-certificate", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem")]
    return Server.start(filled(tmp_path / "shop"), "--keys", *options)


def test_tls_and_keys(guarded: Server, tmp_path: Path) -> None:
    ca = tmp_path / "cert.pem"
    reader = run(guarded.folder, "key", "add", "model", "--role", "reader").strip()
    entity = {"user_id": "u1"}
    with feat.Client(guarded.address, ca=ca, key=reader) as client:
        assert client.get("shopper", entity, at=NOON).to_dict()["recent__n_1d"] > 0
        with pytest.raises(feat.PermissionDenied, match="author"):
            client.training_set("shopper", asked(3), time="t", progress=False)
        kinds = client.registry.ListObjects(
            registry_pb2.ListObjectsRequest(kind="service"), metadata=client.metadata
        )
        assert [one.name for one in kinds.objects] == ["shop.checkout_risk", "shop.shopper"]
    with feat.Client(guarded.address, ca=ca.read_bytes()) as client:
        with pytest.raises(feat.Unauthenticated, match="key"):
            client.get("shopper", entity)
    forged = reader[:-4] + ("AAAA" if not reader.endswith("AAAA") else "BBBB")
    with feat.Client(guarded.address, ca=ca, key=forged) as client, pytest.raises(feat.Unauthenticated):
        client.get("shopper", entity)
    for wrong in [{}, {"tls": True}]:
        with feat.Client(guarded.address, key=reader, timeout=5.0, **wrong) as client:  # type: ignore[arg-type]
            with pytest.raises(feat.Unavailable):
                client.get("shopper", entity)
    assert guarded.stop() == 0


def test_an_asynchronous_client_asks_side_by_side(shop: Server) -> None:
    async def story() -> None:
        async with feat.AsyncClient(shop.address) as client:
            users = [f"u{one}" for one in range(14)]
            answers = await asyncio.gather(
                *(client.get("shopper", {"user_id": user}, at=NOON) for user in users)
            )
            together = await client.get("shopper", [{"user_id": user} for user in users], at=NOON)
            assert [answer.to_dict() for answer in answers] == together.to_dicts()
            assert [one.name for one in (await client.describe("shopper")).keys] == ["user_id"]
            with pytest.raises(feat.NotFound, match="shop.shopper@1"):
                await client.get("shoppers")
            made = await client.training_set("shopper", asked(), time="t", progress=False)
            assert made.to_arrow().num_rows == made.rows == 400
            assert made.id in [one.id for one in await client.training_sets()]
            again = await client.reproduce(made.id, asked(), progress=False)
            assert again.to_arrow().equals(made.to_arrow()) and again.checksum == made.checksum
            with pytest.raises(feat.InvalidRequest, match="`when`"):
                await client.training_set("shopper", asked(), time="when", progress=False)

    asyncio.run(story())


def test_a_client_goes_on_after_its_server_came_back(tmp_path: Path) -> None:
    first = Server.start(filled(tmp_path))
    with feat.Client(first.address, timeout=5.0) as client:
        wanted = client.get("shopper", {"user_id": "u1"}, at=NOON).to_dict()
        assert first.stop() == 0
        with pytest.raises(feat.Unavailable):
            client.get("shopper", {"user_id": "u1"}, at=NOON)
        second = Server.start(tmp_path, listen=first.address)
        for attempt in range(50):
            try:
                assert client.get("shopper", {"user_id": "u1"}, at=NOON).to_dict() == wanted
                break
            except feat.Unavailable:
                # The client looks for its server again after a moment of its own.
                assert attempt < 49
        assert second.stop() == 0
