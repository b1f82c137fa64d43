"""The client for programs that do something else meanwhile."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc

from feat import answer, channel, errors, training
from feat import entities as asked
from feat import spine as spines
from feat.v1 import (
    online_pb2,
    online_pb2_grpc,
    registry_pb2_grpc,
    training_pb2,
    training_pb2_grpc,
)


class AsyncClient:
    """A connection to a feat server, for asyncio. Its arguments and errors are those of `Client`.

    >>> async with feat.AsyncClient("127.0.0.1:8815") as client:
    ...     (await client.get("recommend", {"user_id": "ann"})).to_dict()
    """

    def __init__(
        self,
        address: str,
        *,
        key: str | None = None,
        tls: bool = False,
        ca: str | Path | bytes | None = None,
        timeout: float = 10.0,
    ) -> None:
        credentials = channel.credentials(tls, ca)
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(address, channel.OPTIONS)
        else:
            self._channel = grpc.aio.secure_channel(address, credentials, channel.OPTIONS)
        self._metadata = channel.metadata(key)
        self._timeout = timeout
        self._online = online_pb2_grpc.OnlineServiceStub(self._channel)
        self._training = training_pb2_grpc.TrainingServiceStub(self._channel)
        #: The generated stub of the registry's calls; those carry what `metadata` says.
        self.registry = registry_pb2_grpc.RegistryServiceStub(self._channel)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection."""
        await self._channel.close()

    @property
    def metadata(self) -> list[tuple[str, str]]:
        """What every call carries: the key."""
        return list(self._metadata)

    async def get(
        self,
        service: str | Sequence[str],
        entities: asked.Entities | None = None,
        *,
        inputs: Mapping[str, Any] | None = None,
        at: datetime.datetime | None = None,
        wait: float | datetime.timedelta | None = None,
        timeout: float | None = None,
    ) -> answer.Answer:
        """As `Client.get`."""
        message = asked.request(service, entities, inputs, at, wait)
        with errors.raised():
            found = await self._online.GetFeatures(
                message, timeout=timeout or self._timeout, metadata=self._metadata
            )
        return answer.Answer(found)

    async def describe(self, service: str) -> online_pb2.DescribeServiceResponse:
        """As `Client.describe`."""
        message = online_pb2.DescribeServiceRequest(service=service)
        with errors.raised():
            found: online_pb2.DescribeServiceResponse = await self._online.DescribeService(
                message, timeout=self._timeout, metadata=self._metadata
            )
        return found

    async def training_set(
        self,
        name: str,
        spine: spines.Spine | None = None,
        *,
        time: str | None = None,
        zone: str | None = None,
        server_spine: str | None = None,
        mode: str = "as-known",
        progress: training.Progress = None,
    ) -> training.TrainingSet:
        """As `Client.training_set`, received whole before it is returned."""
        parts = training.requests(name, spine, time=time, zone=zone, server_spine=server_spine, mode=mode)
        return await self._received(self._training.CreateTrainingSet, parts, progress)

    async def training_sets(self, of: str = "", *, limit: int = 100) -> list[training_pb2.TrainingSet]:
        """As `Client.training_sets`."""
        message = training_pb2.ListTrainingSetsRequest(of=of, limit=limit)
        with errors.raised():
            found = await self._training.ListTrainingSets(
                message, timeout=self._timeout, metadata=self._metadata
            )
        return list(found.training_sets)

    async def reproduce(
        self, id: str, spine: spines.Spine | None = None, *, progress: training.Progress = None
    ) -> training.TrainingSet:
        """As `Client.reproduce`, received whole before it is returned."""
        return await self._received(self._training.ReproduceTrainingSet, training.again(id, spine), progress)

    async def _received(
        self, method: Any, parts: training.Asked, progress: training.Progress
    ) -> training.TrainingSet:
        """All events of a call: a reader of Arrow cannot wait for the next as asyncio does."""
        events = []
        try:
            with errors.raised():
                async for event in method(iter(parts), metadata=self._metadata):
                    events.append(event)
        except Exception as error:
            if parts.failed is not None:
                raise parts.failed from error
            raise
        return training.TrainingSet(training.Received(events), parts, progress)
