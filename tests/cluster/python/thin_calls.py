"""What a thin client may rely on, checked in another language: `thin_calls.py HOST:PORT TOKEN_FILE`."""

import sys
import uuid

import grpc
from mobula_thin import HEALTH, Job, Service

TARGET = sys.argv[1]
with open(sys.argv[2], encoding="ascii") as token_file:
    TOKEN = token_file.read().strip()


def refused(call, *codes):
    """The status with which a call is refused, which must be one of these."""
    try:
        answer = call()
    except grpc.RpcError as error:
        assert error.code() in codes, f"{error.code()}: {error.details()}"
        return error
    raise AssertionError(f"it was answered: {answer}")


def check_services(node):
    names = node.services()
    for name in ["mobula.v1.Node", "grpc.health.v1.Health"]:
        assert name in names, names
    assert Service(TARGET, TOKEN, name=HEALTH).Check(service="")["status"] == "SERVING"


def check_values(node):
    with Job(node) as job:
        for value in [0, -1, 2**63, 1.5, "naïve", True, None, [1, [2]], {"a": {"b": []}}]:
            assert job.get(job.put(value)) == value, value


def functions(node, ending):
    """The functions whose names end so."""
    names = {function["info"]["id"]["name"] for function in node.ListFunctions().get("functions", [])}
    return [name for name in names if name.endswith(ending)]


def check_tasks(node):
    (submit_many,) = functions(node, "::submit_many")
    with Job(node) as job:
        request = uuid.uuid4().hex
        first = job.submit(submit_many, 3, request_id=request)
        again = job.submit(submit_many, 3, request_id=request)
        assert first == again, "a repeat is answered, not run again"
        assert job.get(first) == 3
        # By reference, and with an argument of the wrong kind.
        argument = job.put(2)
        by_reference = node.SubmitTask(
            request_id=uuid.uuid4().hex,
            job=job.job,
            secret=job.secret,
            function=submit_many,
            json="[]",
            references=[{"parameter": 0, "object": argument}],
        )
        assert job.get(by_reference["objects"][0]) == 2
        wrong = job.submit(submit_many, "three")
        refused(lambda: job.get(wrong), grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)


def check_request_ids(node):
    """Each job numbers its requests as it likes."""
    (submit_many,) = functions(node, "::submit_many")
    with Job(node) as mine, Job(node) as theirs:
        objects = {job.submit(submit_many, 1, request_id="1") for job in [mine, theirs] for _ in range(2)}
        assert len(objects) == 2, objects
        puts = [
            node.PutObject(request_id="1", json="7", job=job.job, secret=job.secret)["object"]
            for job in [mine, theirs]
        ]
        assert len({*objects, *puts}) == 4, "a put is no submit"
        assert (mine.get(puts[0]), theirs.get(puts[1])) == (7, 7)


def check_large_results(node):
    """A result that no unary call carries says so, and is there for others."""
    (make_bytes,) = functions(node, "::make_bytes")
    (take_bytes,) = functions(node, "::take_bytes")
    with Job(node) as job:
        large = job.submit(make_bytes, 5 << 20)
        error = refused(lambda: job.get(large), grpc.StatusCode.RESOURCE_EXHAUSTED)
        assert "a unary call carries" in error.details(), error.details()
        reference = {"parameter": 0, "object": large}
        length = node.SubmitTask(
            request_id=uuid.uuid4().hex,
            job=job.job,
            secret=job.secret,
            function=take_bytes,
            json="[]",
            references=[reference],
        )
        assert job.get(length["objects"][0]) == 5 << 20


def check_malformed_streams(node):
    """What is no session, no upload and no frame; a job beside it goes on."""
    malformed = [grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT]
    sessions = Service(TARGET, TOKEN, name="mobula.v1.Sessions")
    with Job(node) as job:
        value = job.put(1)
        for bodies in [[b"\xff\xff\xff"], [b"\x0a\xff\xff\xff\xff\x0f"], [b"", b""], []]:
            refused(lambda: sessions.raw_stream("Open", bodies), *malformed)
        for method in ["Store", "UploadExecutable"]:
            refused(lambda: node.raw_stream(method, [b"\xff\xff\xff"]), *malformed)
        assert job.get(value) == 1


def check_refusals(node):
    unauthenticated = grpc.StatusCode.UNAUTHENTICATED
    denied = grpc.StatusCode.PERMISSION_DENIED
    refused(lambda: Service(TARGET).services(), unauthenticated)
    refused(lambda: Service(TARGET, "0" * 64).services(), unauthenticated)
    malformed = [grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT]
    refused(lambda: node.raw("OpenJob", b"\xff\xff\xff"), *malformed)
    refused(lambda: node.GetObject(job="zz", secret="", object=""), *malformed)
    with Job(node) as mine, Job(node) as theirs:
        value = mine.put(1)
        # Whether it exists is not said either.
        refused(lambda: theirs.get(value), denied, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.DATA_LOSS)
        own = theirs.secret
        for secret in [mine.secret, "0" * 64]:
            theirs.secret = secret
            refused(lambda: theirs.put(1), denied, unauthenticated)
        theirs.secret = own
        # Nobody else was disturbed.
        assert mine.get(value) == 1
    ended = refused(lambda: mine.put(1), grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND, denied)
    assert len(ended.details()) < 8192


def main():
    node = Service(TARGET, TOKEN)
    checks = [
        check_services,
        check_values,
        check_tasks,
        check_request_ids,
        check_large_results,
        check_malformed_streams,
        check_refusals,
    ]
    for check in checks:
        check(node)
        print(f"{check.__name__}: ok", flush=True)


if __name__ == "__main__":
    main()
