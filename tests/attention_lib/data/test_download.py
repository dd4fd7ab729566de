import errno
import gzip
import hashlib
import tempfile
import threading
import traceback
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler

import pooch
import pytest

from attention_lib.data.download import DataFile, fetch, read_lines

CONTENT = gzip.compress("Zwei Äpfel\nTwo apples\n".encode(), mtime=0)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    """A server on this machine that has corpus/words.gz."""
    (tmp_path / "served" / "corpus").mkdir(parents=True)
    (tmp_path / "served" / "corpus" / "words.gz").write_bytes(CONTENT)
    handler = partial(Quiet, directory=str(tmp_path / "served"))
    with HTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No folder of the reader's, and an empty cache."""
    monkeypatch.delenv("ATTENTION_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)


def data_file(url=None, sha256=SHA256):
    return DataFile("corpus/words.gz", "Copy words.gz from the shelf into corpus/", url, sha256)


def put(folder, content=CONTENT):
    path = folder / "corpus" / "words.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_the_readers_own_folder_comes_first(tmp_path, monkeypatch):
    path = put(tmp_path / "mine")
    monkeypatch.setenv("ATTENTION_DATA", str(tmp_path / "mine"))
    assert fetch(data_file("http://127.0.0.1:9/words.gz")) == path
    assert list(read_lines(path)) == ["Zwei Äpfel", "Two apples"]


def test_a_download_is_made_once_with_a_progress_bar(server, capsys, monkeypatch):
    path = fetch(data_file(f"{server}/corpus/words.gz"))
    assert path.read_bytes() == CONTENT
    assert "100%" in capsys.readouterr().err
    monkeypatch.setattr(pooch, "HTTPDownloader", None)
    assert fetch(data_file(f"{server}/corpus/words.gz")) == path


def test_a_folder_without_the_file_leads_to_the_download(server, tmp_path):
    path = fetch(data_file(f"{server}/corpus/words.gz"), tmp_path)
    assert path.read_bytes() == CONTENT


def test_a_download_with_another_checksum_leaves_nothing_and_says_what_to_do(server, tmp_path):
    wrong = "0" * 64
    message = f"gave another file than the one wanted, with SHA-256 {wrong}.* or: Copy words.gz"
    with pytest.raises(ValueError, match=message):
        fetch(data_file(f"{server}/corpus/words.gz", wrong))
    assert not list((tmp_path / "cache").rglob("*.gz"))


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/words.gz", "{server}/corpus/gone.gz"])
def test_no_network_is_one_sentence_that_says_what_to_do(server, address):
    url = address.format(server=server)
    message = (
        f"no corpus/words.gz: ATTENTION_DATA is not set, and {url} cannot be reached .*"
        "Go online and try again; or: Copy words.gz from the shelf into corpus/, and set "
        "ATTENTION_DATA to the folder that holds corpus/"
    )
    with pytest.raises(ConnectionError, match=message) as refusal:
        fetch(data_file(url))
    shown = "".join(traceback.format_exception(refusal.value))
    assert "urllib3" not in shown


@pytest.mark.parametrize("cache", ["a file", "read-only"])
def test_a_cache_that_takes_no_files_is_not_blamed_on_the_network(
    cache, server, tmp_path, monkeypatch
):
    if cache == "a file":
        (tmp_path / "cache").write_text("where the folder should be")
    else:
        # Whoever runs the tests may be allowed to write everywhere.
        def refuse(*args, **settings):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    place = tmp_path / "cache" / "attention_lib" / "corpus"
    message = f"no corpus/words.gz: .* a download cannot be kept in {place} .*; or: Copy"
    with pytest.raises(OSError, match=message):
        fetch(data_file(f"{server}/corpus/words.gz"))


def test_a_damaged_file_of_ones_own_is_refused_by_its_checksum(tmp_path):
    put(tmp_path, CONTENT[:-3])
    with pytest.raises(ValueError, match=f"wanted {SHA256}. Delete it and get it again: Copy"):
        fetch(data_file(), tmp_path)


def test_a_file_that_nobody_serves_says_how_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"words.gz does not exist. Copy .*ATTENTION_DATA"):
        fetch(data_file(), tmp_path)


@pytest.mark.parametrize(
    "content", [CONTENT[:-3], b"plain text", gzip.compress(b"\xff\xfe\xff", mtime=0)]
)
def test_a_damaged_archive_says_so(tmp_path, content):
    path = put(tmp_path, content)
    with pytest.raises(ValueError, match="is not a whole gzip file of UTF-8 text; get it again"):
        list(read_lines(path))


def test_only_newlines_end_lines(tmp_path):
    path = put(tmp_path, gzip.compress("one\u2028still one\r\ntwo\x85\n\n".encode()))
    assert list(read_lines(path)) == ["one\u2028still one", "two\x85", ""]
