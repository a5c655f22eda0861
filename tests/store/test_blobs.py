"""Large parts of outputs: never in a document of a server, always there when they are asked for."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mongomock_ng
import pytest
from maggma.stores import MemoryStore

from defectflow.errors import StoreError
from defectflow.launch.inputs import as_reused
from defectflow.store import blobs
from defectflow.store.blobs import FolderBlobs, S3Blobs, blobs_of, get_value, put_value
from defectflow.store.guard import GuardedJobStore
from defectflow.store.large import MOST_B, MOVED, parted, whole
from defectflow.store.opened import Store
from defectflow.store.rows import encode

FRAMES = [{"energy_eV": -1.5 * number, "coords": [[0.1, 0.2, 0.3]] * 40} for number in range(2500)]


class Bucket(BaseHTTPRequestHandler):
    """The two verbs of S3 that are used, on objects in memory."""

    objects: dict = {}  # noqa: RUF012 - shared by all requests on purpose

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "chunked" in self.headers.get("Content-Encoding", ""):
            length, _, rest = body.partition(b"\r\n")
            body = rest[: int(length.split(b";")[0], 16)]
        assert "AWS4-HMAC-SHA256" in self.headers["Authorization"]
        self.objects[self.path] = body
        self.answer(200)

    def do_GET(self):
        if self.path in self.objects:
            self.answer(200, self.objects[self.path])
        else:
            self.answer(404, b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>")

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def bucket(monkeypatch):
    """Return the objects of a server that speaks S3, which AWS's variables point to."""
    Bucket.objects = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "eu-central-1")
    yield Bucket.objects
    server.shutdown()


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    if request.param == "folder":
        return FolderBlobs(tmp_path / "blobs")
    request.getfixturevalue("bucket")
    return S3Blobs("defects", "campaign")


@pytest.fixture
def store(place):
    """Return a store that has large parts elsewhere, as one on a server has."""
    jobs = GuardedJobStore(MemoryStore("outputs"))
    jobs.blobs = place
    jobs.connect()
    records = MemoryStore("runs", key="run_id")
    records.connect()
    with Store("test", jobs, records) as opened:
        yield opened


def filed(store, uuid="u"):
    return next(iter(store.jobs.docs_store.query({"uuid": uuid})))


def test_large_document_never_reaches_the_database_and_is_read_as_it_was(store):
    output = {"energy_eV": -3.0, "trajectory": FRAMES, "bad": float("inf"), "species": "Mg"}
    assert len(encode(output)) > MOST_B
    store.file({"uuid": "u", "index": 1, "output": output}, "k")
    there = filed(store)
    assert len(encode(there)) < 1000
    assert there["output"]["species"] == "Mg"
    assert there[MOVED] == ["trajectory"]
    assert store.jobs.get_output("u") == output
    # What stands in for an equal job has its parts too.
    copied = as_reused(
        type("Job", (), {"uuid": "v", "index": 1, "name": "n", "metadata": {}, "hosts": []}),
        store.finished("k"),
    )
    store.file(copied)
    assert store.jobs.get_output("v") == output


def test_seventeen_megabytes_in_one_string_and_a_long_list(store):
    for uuid, output in (("a", "x" * 17_000_000), ("b", list(range(400_000)))):
        store.file({"uuid": uuid, "index": 1, "output": output})
        assert len(encode(filed(store, uuid))) < 1000
        assert store.jobs.get_output(uuid) == output


def test_small_documents_stay_whole(store, tmp_path):
    store.file({"uuid": "u", "index": 1, "output": {"a": "x" * 900_000}})
    assert MOVED not in filed(store)
    assert not (tmp_path / "blobs").exists()


def test_result_with_a_large_field_is_found(store, make_result):
    document = make_result(key="big")
    document["output"]["recipe_input"] = {"note": "x" * 2_000_000}
    store.file(document)
    assert filed(store, document["uuid"])[MOVED] == ["recipe_input"]
    (found,) = store.find(species="Mg")
    assert len(found.recipe_input["note"]) == 2_000_000


def test_same_part_is_written_once(place, bucket, tmp_path):
    names = {put_value(place, FRAMES) for _ in range(3)}
    assert len(names) == 1
    files = list((tmp_path / "blobs").rglob("*.json.gz")) or list(bucket)
    assert len(files) == 1


def test_missing_and_half_written_parts_are_named(tmp_path):
    place = FolderBlobs(tmp_path)
    with pytest.raises(StoreError, match="missing; compute it again"):
        get_value(place, "0" * 64)
    name = put_value(place, FRAMES)
    (path,) = tmp_path.rglob("*.json.gz")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StoreError, match="damaged; compute it again"):
        get_value(place, name)
    path.write_bytes(put_elsewhere(tmp_path / "other"))
    with pytest.raises(StoreError, match="damaged; compute it again"):
        get_value(place, name)


def put_elsewhere(folder):
    put_value(FolderBlobs(folder), [1])
    (path,) = folder.rglob("*.json.gz")
    return path.read_bytes()


def test_planted_part_runs_no_code(store, tmp_path, monkeypatch):
    (tmp_path / "planted_part.py").write_text("raise SystemExit('planted code ran')")
    monkeypatch.syspath_prepend(tmp_path)
    evil = {"@module": "planted_part", "@class": "X", "data": "x" * 2 * MOST_B}
    store.file({"uuid": "u", "index": 1, "output": {"a": evil}})
    with pytest.raises(StoreError, match=r"planted_part\.X"):
        store.jobs.get_output("u")
    assert "planted_part" not in sys.modules


def test_parts_are_written_before_the_document(place):
    """Whoever is killed in between leaves a part too many, never a document without its part."""

    class Dying(type(place)):
        def put(self, name, content):
            raise KeyboardInterrupt

    document = {"uuid": "u", "index": 1, "output": {"a": FRAMES}}
    place.__class__ = Dying
    jobs = GuardedJobStore(MemoryStore("outputs"))
    jobs.blobs = place
    jobs.connect()
    with pytest.raises(KeyboardInterrupt):
        jobs.update(document, key=["uuid", "index"])
    assert jobs.count() == 0


def test_database_remembers_where_its_parts_lie(tmp_path, monkeypatch):
    database = mongomock_ng.MongoClient().db
    monkeypatch.setenv(blobs.VARIABLE, str(tmp_path))
    assert isinstance(blobs_of(database), FolderBlobs)
    monkeypatch.delenv(blobs.VARIABLE)
    assert isinstance(blobs_of(database), FolderBlobs)
    monkeypatch.setenv(blobs.VARIABLE, "s3://elsewhere")
    with pytest.raises(StoreError, match=f"large parts of this store lie in {tmp_path}"):
        blobs_of(database)


@pytest.mark.parametrize("url", ["relative/folder", "s3://", "ftp://host/x", "gridf"])
def test_place_that_is_none_is_refused_and_not_remembered(monkeypatch, url):
    database = mongomock_ng.MongoClient().db
    monkeypatch.setenv(blobs.VARIABLE, url)
    with pytest.raises(StoreError, match="give gridfs, s3://BUCKET/PREFIX, or a folder"):
        blobs_of(database)
    assert database["settings"].count_documents({}) == 0


def test_s3_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "eu-central-1")
    with pytest.raises(StoreError, match=r"s3://defects: .*AWS_ENDPOINT_URL") as error:
        put_value(S3Blobs("defects", ""), [1])
    assert len(str(error.value).splitlines()) == 1


def test_projection_without_output_asks_for_no_part(place):
    document = parted({"uuid": "u", "output": {"a": FRAMES}}, place)
    assert whole({"uuid": "u", MOVED: document[MOVED]}, None) == {"uuid": "u", MOVED: ["a"]}
    assert whole(document, place)["output"]["a"] == FRAMES
