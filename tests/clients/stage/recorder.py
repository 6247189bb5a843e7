"""Between a client and the balancer: passes everything on unchanged and keeps every byte of every answer."""

import http.client
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# These concern one connection, so they are not passed on.
OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "proxy-connection"}
PATIENCE = 60


@dataclass
class Exchange:
    """A request and what came back."""

    method: str
    target: str
    request: bytes
    status: int
    answer: bytes  # headers and body

    @property
    def call(self):
        """The call of the BBB API, empty for its root."""
        return self.target.split("?")[0].partition("/bigbluebutton/api")[2].strip("/")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.exchanges = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        whole = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def reply(self, status, headers, body):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def serve(self):
        raise NotImplementedError

    def do_GET(self):
        self.serve()

    do_POST = do_HEAD = do_PUT = do_DELETE = do_OPTIONS = do_GET


def recorder(port, host):
    """A proxy before the balancer on that port, which calls it by this host."""

    class Proxy(_Handler):
        def serve(self):
            body = self.body()
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in OF_ONE_CONNECTION | {"host", "content-length"}
            }
            headers |= {"Host": host, "Connection": "close"}
            if body or self.command == "POST":
                headers["Content-Length"] = str(len(body))
            upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            try:
                upstream.request(self.command, self.path, body or None, headers)
                response = upstream.getresponse()
                answer = response.read()
            finally:
                upstream.close()
            lines = "".join(f"{name}: {value}\r\n" for name, value in response.getheaders())
            self.server.exchanges.append(
                Exchange(self.command, self.path, body, response.status, lines.encode("latin-1") + b"\r\n" + answer)
            )
            kept = [
                (name, value)
                for name, value in response.getheaders()
                if name.lower() not in OF_ONE_CONNECTION | {"content-length"}
            ]
            self.reply(response.status, kept, answer)

    return _Server(Proxy)


def receiver():
    """A tenant's own server: takes callbacks and webhooks, and keeps them. What arrives stands as an exchange's answer."""

    class Inbox(_Handler):
        def serve(self):
            body = self.body()
            arrived = f"{self.command} {self.path}\r\n{self.headers}".encode() + body
            self.server.exchanges.append(Exchange(self.command, self.path, body, 200, arrived))
            self.reply(200, [("Content-Type", "text/plain")], b"thanks")

    return _Server(Inbox)
