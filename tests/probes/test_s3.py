"""S3 through botocore passes `http.client`: what is put under one key is one object, under fresh keys it is many."""

from __future__ import annotations

import http.server
import io
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import moto
import pytest
import requests

from jobchaos import check
from jobchaos.core.settings import Settings
from jobchaos.core.verdict import Verdict
from jobchaos.probes.http import HTTPProbe
from jobchaos.probes.moto import MotoProbe
from jobchaos.probes.requests import RequestsProbe
from tests.probes.conftest import Watch, seen


class _Handler(http.server.BaseHTTPRequestHandler):
    """As much of S3 as it takes to put, get and delete objects."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self._objects[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200)

    def do_GET(self) -> None:
        content = self._objects.get(self.path)
        self._answer(404 if content is None else 200, content or b"")

    def do_DELETE(self) -> None:
        self._objects.pop(self.path, None)
        self._answer(204)

    @property
    def _objects(self) -> dict[str, bytes]:
        assert isinstance(self.server, Bucket)
        return self.server.objects

    def _answer(self, status: int, content: bytes = b"") -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Bucket(http.server.ThreadingHTTPServer):
    """A bucket of its own."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}

    def client(self, attempts: int = 1) -> Any:
        return boto3.session.Session().client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.server_port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=botocore.config.Config(retries={"total_max_attempts": attempts}),
        )


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with Bucket() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_every_call_is_one_request(watch: Watch, bucket: Bucket) -> None:
    s3 = bucket.client()

    def job() -> None:
        s3.put_object(Bucket="shop", Key="invoice-7", Body=b"42 EUR")
        assert s3.get_object(Bucket="shop", Key="invoice-7")["Body"].read() == b"42 EUR"
        s3.delete_object(Bucket="shop", Key="invoice-7")

    url = f"http://127.0.0.1:{bucket.server_port}/shop/invoice-7"
    assert seen(watch(job, "A", HTTPProbe())) == [f"PUT {url} 200", f"GET {url} 200", f"DELETE {url} 204"]
    put, delete = watch.recorder.records
    assert put.values == ("PUT", url, "42 EUR")
    assert (put.identity, delete.identity) == (("PUT", url, "42 EUR"), ("DELETE", url, ""))


def test_a_failure_is_botocores_own_and_its_repetitions_are_requests(watch: Watch, bucket: Bucket) -> None:
    caught: list[Exception] = []

    def job(attempts: int) -> None:
        try:
            bucket.client(attempts).put_object(Bucket="shop", Key="invoice-7", Body=b"42 EUR")
        except botocore.exceptions.HTTPClientError as error:
            caught.append(error)

    watch(lambda: job(1), "A0!fail", HTTPProbe())
    watch(lambda: job(1), "A0!lost", HTTPProbe())
    assert [type(error) for error in caught] == [botocore.exceptions.ConnectionClosedError] * 2
    assert len(seen(watch(lambda: job(3), "A0!lost", HTTPProbe()))) == 2
    assert len(caught) == 2


def found(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings if finding.gates}


def check_both(s3: Any) -> None:
    """A job that is right, and one that is not."""

    def under_a_fresh_key() -> None:
        s3.put_object(Bucket="shop", Key=f"invoice-{uuid.uuid4()}", Body=b"42 EUR")

    def under_its_own_key() -> None:
        s3.put_object(Bucket="shop", Key="invoice-7", Body=b"42 EUR")

    quick, faults = Settings(profile="quick"), ["duplicate", "crash"]
    assert found(check(under_a_fresh_key, faults=faults, settings=quick)) == {"JC101", "JC301"}
    assert check(under_its_own_key, faults=faults, settings=quick).status == "holds"


def test_jobs_that_store_objects_are_checked(bucket: Bucket) -> None:
    check_both(bucket.client())


# --- moto, in the process itself -------------------------------------------------------------------------------------

URL = "https://shop.s3.amazonaws.com/invoice-7"


@pytest.fixture
def faked() -> Iterator[Any]:
    """A client whose requests moto answers."""
    with moto.mock_aws():
        client = boto3.session.Session().client(
            "s3",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=botocore.config.Config(retries={"total_max_attempts": 1}),
        )
        client.create_bucket(Bucket="shop")
        yield client


def test_what_moto_answers_is_one_request_each(watch: Watch, faked: Any) -> None:
    def job() -> None:
        faked.put_object(Bucket="shop", Key="invoice-7", Body=io.BytesIO(b"42 EUR"))
        assert faked.get_object(Bucket="shop", Key="invoice-7")["Body"].read() == b"42 EUR"
        with pytest.raises(botocore.exceptions.ClientError, match="404"):
            faked.head_object(Bucket="shop", Key="invoice-8")
        assert requests.get(URL, timeout=5).status_code == 403, "moto's answer to who has not signed"

    steps = seen(watch(job, "A", MotoProbe(), RequestsProbe(), HTTPProbe()))
    assert [step.rpartition(" ")[0] for step in steps[:2]] == [f"PUT {URL}", f"GET {URL}"]
    assert [step.partition(" ")[0] for step in steps] == ["PUT", "GET", "HEAD", "GET"]
    assert [record.values for record in watch.recorder.records] == [("PUT", URL, "42 EUR")]


def test_a_lost_answer_of_motos_is_botocores_error(watch: Watch, faked: Any) -> None:
    caught: list[Exception] = []

    def job() -> None:
        try:
            faked.put_object(Bucket="shop", Key="invoice-7", Body=b"42 EUR")
        except botocore.exceptions.HTTPClientError as error:
            caught.append(error)

    for token, arrived in (("A0!fail", 0), ("A0!lost", 1)):
        watch(job, token, MotoProbe())
        assert len(faked.list_objects_v2(Bucket="shop").get("Contents", ())) == arrived
    assert [type(error) for error in caught] == [botocore.exceptions.ConnectionClosedError] * 2


def test_jobs_whose_objects_moto_keeps_are_checked(faked: Any) -> None:
    check_both(faked)
