"""Finding and fetching banks. A server on this machine stands in for the network."""

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cursivetransformer.bank import registry
from cursivetransformer.bank.file import write_entries
from cursivetransformer.bank.registry import bank_folders, fetch, find_bank, load_banks
from cursivetransformer.utils.errors import UserError

ENTRY = {
    "metadata": {"author": "Ada", "asciiSequence": "hi", "aspectRatio": 6},
    "points": [[0, 0.5, 1], [0.1, 0.6, 1]],
}


class Handler(BaseHTTPRequestHandler):
    """Sends `body`, or fails at it, as `manner` says."""

    body, manner = b"", "whole"

    def do_GET(self):
        if self.manner == "404":
            self.send_error(404)
            return
        self.send_response(200)
        if self.manner != "no length":
            length = "abc" if self.manner == "no number" else str(len(self.body))
            self.send_header("Content-Length", length)
        self.end_headers()
        half = len(self.body) // 2
        self.wfile.write(self.body[:half])
        self.wfile.flush()
        if self.manner == "cut short":
            return
        time.sleep({"slow": 0.3, "stalled": 1.5}.get(self.manner, 0))
        try:
            self.wfile.write(self.body[half:])
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client gave up, as it should on a stall

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    write_entries(tmp_path / "bigbank.json.zip", [ENTRY])
    Handler.body, Handler.manner = (tmp_path / "bigbank.json.zip").read_bytes(), "whole"
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    monkeypatch.setenv("CURSIVETRANSFORMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CURSIVETRANSFORMER_DATA", raising=False)
    monkeypatch.setattr(
        registry, "PUBLISHED_URL", f"http://127.0.0.1:{http.server_port}/{{name}}.json.zip"
    )
    monkeypatch.setitem(registry.PUBLISHED, "bigbank", hashlib.sha256(Handler.body).hexdigest())
    monkeypatch.chdir(tmp_path)
    yield http
    http.shutdown()
    http.server_close()


@pytest.mark.parametrize("manner", ["whole", "no length", "no number", "slow"])
def test_a_bank_is_fetched_once_and_credited(server, tmp_path, manner):
    (tmp_path / "bigbank.json.zip").unlink()
    Handler.manner = manner
    messages = []
    words, _ = load_banks("bigbank", warn=messages.append)
    assert [word.text for word in words] == ["hi"]
    assert "Greydanus" in messages[0] and "without a license" in messages[0]
    server.shutdown()
    assert find_bank("bigbank", messages.append) == tmp_path / "cache" / "bigbank.json.zip"
    assert len(messages) == 1, "the credit is given once"


@pytest.mark.parametrize(
    "manner, sentence",
    [
        ("cut short", "cut short"),
        ("wrong digest", "is not bigbank"),
        ("404", "404"),
        ("stalled", "timed out"),
        ("endless", "far more than the bank"),
    ],
)
def test_what_goes_wrong_is_told_and_leaves_nothing(
    server, tmp_path, monkeypatch, manner, sentence
):
    Handler.manner = manner
    monkeypatch.setattr(registry, "TIMEOUT_SECONDS", 0.4)
    if manner == "endless":
        monkeypatch.setattr(registry, "MAX_PUBLISHED_BYTES", 100)
    if manner == "wrong digest":
        Handler.body = b"another file"
    with pytest.raises(UserError, match=sentence) as caught:
        fetch("bigbank", lambda _: None)
    assert str(tmp_path / "cache" / "bigbank.json.zip") in str(caught.value), (
        "it says where to put the file by hand"
    )
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_fetched_bank_that_changed_is_fetched_again(server, tmp_path):
    messages = []
    path = fetch("bigbank", messages.append)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    (tmp_path / "bigbank.json.zip").unlink()
    assert [word.text for word in load_banks("bigbank", warn=messages.append)[0]] == ["hi"]
    assert "is not as it was published" in messages[1]
    assert path.read_bytes() == Handler.body


def test_offline(server, tmp_path):
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError, match="put it at"):
        fetch("bigbank", lambda _: None)


def test_a_name_is_looked_for_in_order(server, tmp_path, monkeypatch):
    cache, users, data = (tmp_path / name for name in ("cache", "mine", "data"))
    monkeypatch.setenv("CURSIVETRANSFORMER_DATA", str(users))
    for folder in (cache, users, data):
        folder.mkdir(exist_ok=True)
        write_entries(folder / "words.json", [ENTRY])
        assert find_bank("words").resolve() == folder.resolve() / "words.json"
    assert [folder.name for folder in bank_folders()][-2:] == ["mine", "cache"]


def test_several_banks_are_joined_and_have_a_digest_of_their_own(server, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(json.dumps([ENTRY]))
    words, digest = load_banks("a.json, b.json")
    assert len(words) == 2
    assert digest == load_banks("a.json,b.json")[1] != load_banks("a.json")[1]


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("bigbnk", "did you mean bigbank"),
        ("nothing-like-it", "no bank 'nothing-like-it'"),
        ("lost.json", "no file lost.json"),
        ("a/b/c", "no file a/b/c"),
        (",", "names no bank"),
    ],
)
def test_unknown_names(server, name, sentence):
    with pytest.raises(UserError, match=sentence):
        load_banks(name)
