"""DescribeImageBuilders from pages that are rendered beforehand, in a process of its own: it costs next to nothing.

`python -m bench.server BUILDERS [PAGE]` prints its URL and serves until its standard input ends.
"""

from __future__ import annotations

import json
import socketserver
import sys
import threading
from datetime import UTC, datetime

from pipeline.sandbox.estate import SeededEstate
from pipeline.sandbox.server import ACCOUNT

MARK = b"PAGE0000"
RENDERED = 200
"""Pages rendered; beyond them they are sent again under other names, so that every builder has its own ARN."""


def render(builders: int, size: int) -> list[bytes]:
    """Pages of `size` builders, of about 700 bytes each, without their tokens and with MARK in every name."""
    now = datetime.now(UTC)
    estate = SeededEstate(now, per_target=int(min(builders, RENDERED * size) * 1.3))
    made = estate.builders(ACCOUNT, "us-east-1", now)[: min(builders, RENDERED * size)]
    for number, builder in enumerate(made):
        name = f"{MARK.decode()}-{number:06d}"
        builder |= {"Name": name, "Arn": f"arn:aws:appstream:us-east-1:{ACCOUNT}:image-builder/{name}"}
    return [
        json.dumps({"ImageBuilders": made[i : i + size]}, separators=(",", ":")).encode()[:-1]
        for i in range(0, len(made), size)
    ]


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, builders: int, size: int) -> None:
        self.pages = render(builders, size)
        self.count = -(-builders // size)
        super().__init__(("127.0.0.1", 0), Handler)

    def page(self, number: int) -> bytes:
        body = self.pages[number % len(self.pages)]
        if number >= len(self.pages):
            body = body.replace(MARK, b"PAGE%04d" % (number // len(self.pages)))
        token = b',"NextToken":"page-%d"}' % (number + 1) if number + 1 < self.count else b"}"
        return body + token


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        while line := self.rfile.readline():
            length = 0
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            token = json.loads(self.rfile.read(length) or b"{}").get("NextToken", "page-0")
            body = self.server.page(int(token.rpartition("-")[2]))
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nx-amzn-RequestId: 1\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body)
            )
            self.wfile.write(head + body)


def main(builders: int, size: int = 100) -> None:
    with Server(builders, size) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
