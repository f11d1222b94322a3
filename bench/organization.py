"""An organization on loopback: STS and DescribeImageBuilders with a latency, some of the calls throttled.

`python -m bench.organization BUILDERS LATENCY THROTTLED` prints its URL and serves until its standard input ends.
A line on standard input is answered with the number of calls since the last. One event loop serves all, so that many
calls that wait cost nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from pipeline.sandbox.estate import SeededEstate

_SCOPE = re.compile(rb"Credential=(\w+)/\d+/([\w-]+)/(\w+)/")
_STS = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><Arn>arn:aws:sts::{account}:assumed-role/reader/bench</Arn><AssumedRoleId>A:bench</AssumedRoleId>
</AssumedRoleUser><Credentials><AccessKeyId>ASIA{account}</AccessKeyId><SecretAccessKey>secret-of-{account}
</SecretAccessKey><SessionToken>token-of-{account}</SessionToken><Expiration>{until}</Expiration></Credentials>
</AssumeRoleResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleResponse>"""


class Organization:
    def __init__(self, builders: int, latency: float, throttled: float) -> None:
        self.calls = 0
        self._latency, self._throttled = latency, throttled
        now = datetime.now(UTC)
        made = SeededEstate(now, per_target=builders * 2).builders("000000000000", "us-east-1", now)[:builders]
        self._page = json.dumps({"ImageBuilders": made}, separators=(",", ":")).encode()
        # Each has its own throttled calls, the same ones for every contender.
        self._chance = random.Random(7)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1])) if length else b""
                self.calls += 1
                await asyncio.sleep(self._latency)
                writer.write(self._answer(head, body))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def _answer(self, head: bytes, body: bytes) -> bytes:
        scope = _SCOPE.search(head)
        assert scope
        key, region, service = scope[1].decode(), scope[2], scope[3]
        if service == b"sts":
            role = parse_qs(body.decode())["RoleArn"][0]
            until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
            return _http(200, "text/xml", _STS.format(account=role.split(":")[4], until=until).encode())
        if self._chance.random() < self._throttled:
            error = b'{"__type":"ThrottlingException","message":"Rate exceeded"}'
            return _http(400, "application/x-amz-json-1.1", error)
        page = self._page.replace(b"000000000000", key[4:].encode()).replace(b":us-east-1:", b":" + region + b":")
        return _http(200, "application/x-amz-json-1.1", page)


def _http(status: int, kind: str, body: bytes) -> bytes:
    return (
        f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nx-amzn-RequestId: 1\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def main(builders: int, latency: float, throttled: float) -> None:
    organization = Organization(builders, latency, throttled)
    server = await asyncio.start_server(organization.serve, "127.0.0.1", 0, backlog=512)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(organization.calls, flush=True)
        organization.calls = 0


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
