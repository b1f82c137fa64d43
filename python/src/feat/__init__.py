"""The client of a feat server: looks up features and makes training sets.

>>> client = feat.Client("127.0.0.1:8815")
>>> client.get("recommend", {"user_id": "ann"}).to_dict()
"""

from feat.aio import AsyncClient
from feat.answer import Answer, Feature, Status
from feat.client import Client
from feat.errors import (
    Conflict,
    DeadlineExceeded,
    FeatError,
    Internal,
    InvalidRequest,
    NotFound,
    NotReady,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from feat.training import TrainingSet

__all__ = [
    "Answer",
    "AsyncClient",
    "Client",
    "Conflict",
    "DeadlineExceeded",
    "FeatError",
    "Feature",
    "Internal",
    "InvalidRequest",
    "NotFound",
    "NotReady",
    "OutOfRange",
    "PermissionDenied",
    "ResourceExhausted",
    "Status",
    "TrainingSet",
    "Unauthenticated",
    "Unavailable",
]
