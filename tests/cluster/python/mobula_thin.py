"""A thin client of a Mobula node: plain unary gRPC calls, with nothing but grpcio and the server's own reflection.

It holds no copy of Mobula's message definitions: it asks the server for them, as `grpcurl` does. So it also shows that
reflection is complete.
"""

import json
import time
import uuid

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

NODE = "mobula.v1.Node"
HEALTH = "grpc.health.v1.Health"


class Service:
    """Calls the methods of one service by name, with requests and answers as dictionaries."""

    def __init__(self, target, token=None, name=NODE, timeout=10.0):
        self.name = name
        self.timeout = timeout
        self._token = token
        channel = grpc.insecure_channel(target)
        if token is not None:
            channel = grpc.intercept_channel(channel, _BearerToken(token))
        self._channel = channel
        self._database = ProtoReflectionDescriptorDatabase(channel)
        self._pool = DescriptorPool(self._database)

    def services(self):
        """The names of all services of the server."""
        return sorted(self._database.get_services())

    def methods(self):
        """The names of this service's methods."""
        return sorted(method.name for method in self._descriptor().methods)

    def __getattr__(self, method):
        return lambda **fields: self.call(method, fields)

    def call(self, method, fields, timeout=None):
        """Makes one unary call. A field that does not exist raises `json_format.ParseError`."""
        descriptor = self._descriptor().methods_by_name[method]
        request = json_format.ParseDict(fields, GetMessageClass(descriptor.input_type)())
        answer_class = GetMessageClass(descriptor.output_type)
        invoke = self._channel.unary_unary(
            f"/{self.name}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer_class.FromString,
        )
        answer = invoke(request, timeout=timeout or self.timeout)
        return json_format.MessageToDict(
            answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )

    def raw(self, method, body, timeout=None):
        """Sends bytes as they are, for requests that no message type would produce."""
        invoke = self._channel.unary_unary(
            f"/{self.name}/{method}",
            request_serializer=lambda data: data,
            response_deserializer=lambda data: data,
        )
        return invoke(body, timeout=timeout or self.timeout)

    def raw_stream(self, method, bodies, timeout=None):
        """Sends several bytes as they are over a stream, and gives all answers."""
        invoke = self._channel.stream_stream(
            f"/{self.name}/{method}",
            request_serializer=lambda data: data,
            response_deserializer=lambda data: data,
        )
        return list(invoke(iter(bodies), timeout=timeout or self.timeout))

    def _descriptor(self):
        return self._pool.FindServiceByName(self.name)


class _BearerToken(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Adds the cluster's token to each call."""

    def __init__(self, token):
        self._header = ("authorization", f"Bearer {token}")

    def _with_header(self, details):
        metadata = list(details.metadata or []) + [self._header]
        return _CallDetails(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready
        )

    def intercept_unary_unary(self, continuation, details, request):
        return continuation(self._with_header(details), request)

    def intercept_unary_stream(self, continuation, details, request):
        return continuation(self._with_header(details), request)

    def intercept_stream_unary(self, continuation, details, requests):
        return continuation(self._with_header(details), requests)

    def intercept_stream_stream(self, continuation, details, requests):
        return continuation(self._with_header(details), requests)


class _CallDetails(grpc.ClientCallDetails):
    def __init__(self, method, timeout, metadata, credentials, wait_for_ready):
        self.method = method
        self.timeout = timeout
        self.metadata = metadata
        self.credentials = credentials
        self.wait_for_ready = wait_for_ready


class Job:
    """A job of a thin client; ends when the `with` block does."""

    def __init__(self, node, name="thin"):
        self.node = node
        opened = node.OpenJob(request_id=uuid.uuid4().hex, spec={"name": name})
        self.job = opened["job"]
        self.secret = opened["secret"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.node.CloseJob(**self._who())

    def _who(self):
        return {"job": self.job, "secret": self.secret}

    def submit(self, function, *arguments, request_id=None, **fields):
        """Submits a task whose arguments are given as JSON; its first object."""
        answer = self.node.SubmitTask(
            request_id=request_id or uuid.uuid4().hex,
            function=function,
            json=json.dumps(list(arguments)),
            **fields,
            **self._who(),
        )
        return answer["objects"][0]

    def put(self, value):
        """Puts a value; its object."""
        answer = self.node.PutObject(request_id=uuid.uuid4().hex, json=json.dumps(value), **self._who())
        return answer["object"]

    def get(self, object_id, seconds=30.0):
        """The value of an object; waits for it, in calls that the server ends by themselves."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            try:
                answer = self.node.GetObject(
                    object=object_id, json=True, timeout_millis=max(1, int(min(left, 8.0) * 1000)), **self._who()
                )
                return json.loads(answer["json"])
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED or left <= 0:
                    raise
