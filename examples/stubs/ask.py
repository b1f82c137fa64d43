"""Asks a feat server with stubs that are generated from its `.proto` files, and nothing of feat's own.

python ask.py ADDRESS SERVICE KEY=TEXT…
"""

import sys

import grpc

from feat.v1 import online_pb2, online_pb2_grpc, value_pb2


def main(address: str, service: str, *keys: str) -> None:
    """Prints the features of one entity."""
    row = online_pb2.Row()
    for key in keys:
        name, _, text = key.partition("=")
        row.values[name].string = text
    request = online_pb2.GetFeaturesRequest(services=[service], rows=online_pb2.Rows(rows=[row]))
    with grpc.insecure_channel(address) as channel:
        answer = online_pb2_grpc.OnlineServiceStub(channel).GetFeatures(request, timeout=5)
    for feature, found in zip(answer.features, answer.rows[0].values, strict=True):
        kind = found.value.WhichOneof("kind")
        value = None if kind is None else getattr(found.value, kind)
        status = value_pb2.Status.Name(found.status).removeprefix("STATUS_").lower()
        print(f"{feature.name:<28} {value!s:<20} {status}")


if __name__ == "__main__":
    main(*sys.argv[1:])
