"""The client for programs that wait for each answer."""

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


class Client:
    """A connection to a feat server, made when it is first needed and kept.

    `key` is what `feat key add` printed. With `tls` the connection is encrypted and the server's certificate
    checked against the system's roots, or against `ca`: PEM, or a file. `timeout` is how many seconds a
    lookup may take. It can be shared by threads.

    >>> with feat.Client("127.0.0.1:8815") as client:
    ...     client.get("recommend", {"user_id": "ann"}).to_dict()
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
            self._channel = grpc.insecure_channel(address, channel.OPTIONS)
        else:
            self._channel = grpc.secure_channel(address, credentials, channel.OPTIONS)
        self._metadata = channel.metadata(key)
        self._timeout = timeout
        self._online = online_pb2_grpc.OnlineServiceStub(self._channel)
        self._training = training_pb2_grpc.TrainingServiceStub(self._channel)
        #: The generated stub of the registry's calls; those carry what `metadata` says.
        self.registry = registry_pb2_grpc.RegistryServiceStub(self._channel)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    @property
    def metadata(self) -> list[tuple[str, str]]:
        """What every call carries: the key."""
        return list(self._metadata)

    def get(
        self,
        service: str | Sequence[str],
        entities: asked.Entities | None = None,
        *,
        inputs: Mapping[str, Any] | None = None,
        at: datetime.datetime | None = None,
        wait: float | datetime.timedelta | None = None,
        timeout: float | None = None,
    ) -> answer.Answer:
        """The features of one or several services for `entities`, all at one instant.

        `service` is a name, or `name@version`, or several. `entities` is a dict of keys for one row, a list
        of such dicts, or a frame of pandas, polars or Arrow with a column for each key; request inputs that
        differ by row stand with the keys, those that are the same for all in `inputs`. `at` is the instant
        of every value, with its zone; without it, the server's now. `wait` is how many seconds to wait until
        every row known by then is included. An entity that was never seen has values, too, with status EMPTY.

        Raises: NotFound, InvalidRequest, OutOfRange, NotReady, Unavailable, DeadlineExceeded and the others
        of `feat.errors`; ValueError or TypeError for what cannot be sent.
        """
        message = asked.request(service, entities, inputs, at, wait)
        with errors.raised():
            found = self._online.GetFeatures(
                message, timeout=timeout or self._timeout, metadata=self._metadata
            )
        return answer.Answer(found)

    def describe(self, service: str) -> online_pb2.DescribeServiceResponse:
        """What a service asks for and answers with: its keys, request inputs and features with their types.

        Raises: NotFound.
        """
        message = online_pb2.DescribeServiceRequest(service=service)
        with errors.raised():
            found: online_pb2.DescribeServiceResponse = self._online.DescribeService(
                message, timeout=self._timeout, metadata=self._metadata
            )
        return found

    def training_set(
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
        """A training set: the rows of `spine`, with the features of the service `name` at each row's `time`.

        `spine` is a frame of pandas, polars or Arrow, a reader of record batches, or the name of a Parquet,
        Arrow, CSV or JSON-lines file; `server_spine` instead is a file below the server's project folder.
        Without either, `name` is a dataset, which says its spine itself. `zone` says whose wall clock
        zone-less times are, such as `"America/New_York"`; without it they are refused. `mode` is `"as-known"`
        or, for exploration, `"event-time"`. `progress` is shown where someone watches; True and False decide,
        a function gets rows read and rows sent.

        Raises: NotFound, InvalidRequest, ResourceExhausted and the others of `feat.errors`, here or while it
        is read.
        """
        parts = training.requests(name, spine, time=time, zone=zone, server_spine=server_spine, mode=mode)
        call = self._training.CreateTrainingSet(iter(parts), metadata=self._metadata)
        return training.TrainingSet(call, parts, progress)

    def training_sets(self, of: str = "", *, limit: int = 100) -> list[training_pb2.TrainingSet]:
        """The training sets that were made, newest first; those `of` a service or dataset, or all."""
        message = training_pb2.ListTrainingSetsRequest(of=of, limit=limit)
        with errors.raised():
            found = self._training.ListTrainingSets(message, timeout=self._timeout, metadata=self._metadata)
        return list(found.training_sets)

    def reproduce(
        self, id: str, spine: spines.Spine | None = None, *, progress: training.Progress = None
    ) -> training.TrainingSet:
        """Makes a training set again of the same versions and inputs; its spine is sent again if it was sent.

        Raises: NotReady, once it is read, if an input is no longer what it was; the message says which.
        """
        parts = training.again(id, spine)
        call = self._training.ReproduceTrainingSet(iter(parts), metadata=self._metadata)
        return training.TrainingSet(call, parts, progress)
