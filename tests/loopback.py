"""An archive on loopback: a real HTTP server with ranges, entity tags, logins and faults on demand."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b"<!DOCTYPE html><html><head><title>Please log in</title></head><body>form</body></html>"


@dataclass
class Archive:
    """Files by path, faults by path (one is used up by each request), and what was asked for and sent."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    login: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    sent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, content: bytes, *faults: str) -> str:
        """Put a file into the archive; its address."""
        self.files["/" + name] = content
        self.faults["/" + name] = list(faults)
        return f"{self.address}/{name}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    archive: Archive

    def log_message(self, *arguments):
        """Silent."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self):
        archive = self.archive
        with archive.lock:
            archive.requests.append((self.path, self.headers.get("Range")))
            fault = archive.faults[self.path].pop(0) if archive.faults[self.path] else ""
        try:
            self.answer(archive, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def answer(self, archive: Archive, fault: str):
        expected = "Basic " + base64.b64encode(archive.login.encode()).decode()
        if fault == "401" or (archive.login and self.headers.get("Authorization") != expected):
            return self.whole(401, b"login", ("WWW-Authenticate", 'Basic realm="x"'))
        if fault.isdigit():
            return self.whole(int(fault), b"try later", ("Retry-After", "0"))
        if self.path.endswith("/") and self.path not in archive.files:
            names = [p[len(self.path) :] for p in archive.files if p.startswith(self.path)]
            links = "".join(f'<a href="{n}">{n}</a>' for n in names if "/" not in n)
            return self.whole(200, f"<html>{links}</html>".encode(), ("Content-Type", "text/html"))
        if self.path not in archive.files:
            return self.whole(404, PAGE)
        if fault == "html":
            return self.whole(200, PAGE, ("Content-Type", "text/html"))
        content = archive.files[self.path]
        if fault == "truncated":  # an answer that is sound for HTTP
            return self.whole(200, content[: len(content) // 2])
        self.data(archive, content, fault)

    def whole(self, status: int, body: bytes, *headers):
        self.send_response(status)
        for key, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def data(self, archive: Archive, content: bytes, fault: str):
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if fault == "no ranges" or self.headers.get("If-Range", tag) != tag:
            start = 0
        if start >= len(content):
            return self.whole(416, b"", ("Content-Range", f"bytes */{len(content)}"))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", tag)
        self.end_headers()
        rest = content[start:]
        if fault in ("drop", "stall"):
            rest = rest[: len(rest) // 2]
        pieces = 20 if fault == "slow" else 1
        size = -(-len(rest) // pieces)
        for i in range(0, len(rest), size):
            self.wfile.write(rest[i : i + size])
            with archive.lock:
                archive.sent += len(rest[i : i + size])
            time.sleep(0.05 if fault == "slow" else 0)
        if fault == "stall":
            time.sleep(4)
        if fault in ("drop", "stall"):
            self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


@contextmanager
def serve():
    """An archive while the context lasts."""
    archive = Archive()
    server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"archive": archive}))
    archive.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()
