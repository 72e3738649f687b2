"""Calls a method as any gRPC client does, knowing bytes alone.

client.py <address> <method> <message in hex> [<metadata>=<value> ...]

Prints the status, the message in hex, and the metadata that came before and after it, but for what is another each time.
"""

import sys

import grpc


def shown(metadata):
    metadata = [(name, value) for name, value in metadata or () if name not in ("date", "x-request-id")]
    return " ".join(sorted(f"{name}={value}" for name, value in metadata))


address, method, message, *metadata = sys.argv[1:]
with grpc.insecure_channel(address) as channel:
    call = channel.unary_unary(method)
    metadata = [tuple(pair.split("=", 1)) for pair in metadata]
    try:
        answer, told = call.with_call(bytes.fromhex(message), timeout=20, metadata=metadata)
        text = answer.hex()
    except grpc.RpcError as error:
        told, text = error, error.details()
    print(told.code().name)
    print(text)
    print(shown(told.initial_metadata()))
    print(shown(told.trailing_metadata()))
