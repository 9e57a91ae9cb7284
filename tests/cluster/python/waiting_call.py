"""A call that waits for longer than its job lives without one: `waiting_call.py HOST:PORT TOKEN_FILE MILLISECONDS`."""

import sys
import uuid

import grpc
from mobula_thin import Job, Service

TARGET = sys.argv[1]
with open(sys.argv[2], encoding="ascii") as token_file:
    TOKEN = token_file.read().strip()
WAIT = int(sys.argv[3])


def main():
    node = Service(TARGET, TOKEN)
    (name,) = [
        function["info"]["id"]["name"]
        for function in node.ListFunctions()["functions"]
        if function["info"]["id"]["name"].endswith("::submit_many")
    ]
    job = Job(node)
    # No node ever has room for it.
    options = {"resources": {"cpu": 4096 * 10_000}}
    waiting = node.SubmitTask(
        request_id=uuid.uuid4().hex,
        function=name,
        json="[1]",
        options=options,
        job=job.job,
        secret=job.secret,
    )
    try:
        answer = node.GetObject(
            object=waiting["objects"][0], timeout_millis=WAIT, job=job.job, secret=job.secret
        )
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, f"{error.code()}: {error.details()}"
    else:
        raise AssertionError(f"it was answered: {answer}")
    assert job.get(job.put(1)) == 1, "its job lives"


if __name__ == "__main__":
    main()
