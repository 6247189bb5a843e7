"""Compares what calls cost in two builds of the balancer: CPU per call, and commands to a shared Redis per call.

    compare.py BEFORE AFTER [ROUNDS]

Both programs run at the same time, each on its own state, against one small BBB server in a process of its own; rounds of one and the other
take turns, so that other load of the machine troubles both alike. Needs Python 3.9 and redis-server, nothing else.
"""

import asyncio
import hashlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections import Counter
from pathlib import Path

HOST, SECRET = "t.example.org", "secret-of-t-0123456789"
INSTANCE_SECRET = "secret-of-an-instance-0123456789"
KEY, TOKEN = "key-of-the-benchmark-0123456789", "token-of-the-benchmark-0123456789"
CONNECTIONS, KNOWN = 16, 300
# Seconds until what was stored before the start is doubted no more (`health.unknownFor`).
SETTLES = 125
CALLS = {"join": 10000, "getMeetingInfo": 3000, "create again": 3000, "create": 1000, "end": 1000}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# The BBB server: keeps meetings, answers create, getMeetings, getMeetingInfo and end.
class Backend:
    def __init__(self):
        self.meetings = {}

    def answer(self, target):
        path, _, query = target.partition("?")
        call = path.rsplit("/", 1)[-1]
        asked = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        name = asked.get("meetingID", "")
        ok = "<returncode>SUCCESS</returncode>"
        if call == "create":
            duplicate = name in self.meetings
            if not duplicate:
                internal = f"{hashlib.sha1(name.encode()).hexdigest()}-{int(time.time() * 1000)}"
                self.meetings[name] = (internal, asked.get("meta_bigblueswarm-tenant", ""))
            key = "<messageKey>duplicateWarning</messageKey>" if duplicate else "<messageKey></messageKey>"
            return f"<response>{ok}{self.fields(name)}{key}</response>"
        if call == "getMeetings":
            each = "".join(f"<meeting>{self.fields(m)}</meeting>" for m in self.meetings)
            return f"<response>{ok}<meetings>{each}</meetings></response>"
        if call in ("getMeetingInfo", "end") and name not in self.meetings:
            return ("<response><returncode>FAILED</returncode><messageKey>notFound</messageKey>"
                    "<message>none</message></response>")
        if call == "getMeetingInfo":
            return f"<response>{ok}{self.fields(name)}</response>"
        if call == "end":
            del self.meetings[name]
            return f"<response>{ok}<messageKey>sentEndMeetingRequest</messageKey></response>"
        if call == "getRecordings":
            return f"<response>{ok}<recordings></recordings><messageKey>noRecordings</messageKey></response>"
        return f"<response>{ok}<version>2.0</version><apiVersion>2.0</apiVersion><bbbVersion>3.0.10</bbbVersion></response>"

    def fields(self, name):
        internal, tenant = self.meetings[name]
        created = internal.rsplit("-", 1)[1]
        return (f"<meetingName>Room</meetingName><meetingID>{name}</meetingID><internalMeetingID>{internal}</internalMeetingID>"
                f"<createTime>{created}</createTime><running>true</running><hasUserJoined>true</hasUserJoined>"
                f"<hasBeenForciblyEnded>false</hasBeenForciblyEnded><participantCount>1</participantCount>"
                f"<metadata><bigblueswarm-tenant>{tenant}</bigblueswarm-tenant></metadata>")

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                target = head.split(" ", 2)[1]
                body = self.answer(target).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def serve_backend(port):
    backend = Backend()
    server = await asyncio.start_server(backend.serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


# The balancers.
class Balancer:
    def __init__(self, program, store, backend):
        self.folder, self.port = tempfile.TemporaryDirectory(), free_port()
        path = Path(self.folder.name)
        store = store or f"store:\n  path: {path / 'state.redb'}\n"
        (path / "config.yml").write_text(
            f"port: {self.port}\nhttp:\n  address: 127.0.0.1\nbigblueswarm:\n  secret: {SECRET}-global\n"
            f"admin:\n  apiKey: {KEY}\n  ingestToken: {TOKEN}\n{store}")
        log = open(path / "log", "wb")
        self.process = subprocess.Popen([program, "serve", "--config", "config.yml"], cwd=path, env={}, stdout=log, stderr=log)
        self.backend = backend

    def cpu(self):
        """Seconds of CPU so far, of all threads, in the program and in the kernel."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    async def set_up(self):
        for _ in range(600):
            try:
                if (await self.send([self.request("GET", "/readyz")], 1))[0][0] == 200:
                    break
            except OSError:
                pass
            await asyncio.sleep(0.05)
        tenant = {"kind": "Tenant", "spec": {"host": HOST, "secret": SECRET}}
        pool = {"kind": "InstanceList", "instances": {f"http://127.0.0.1:{self.backend}/bigbluebutton": INSTANCE_SECRET}}
        for path, body in (("tenants", tenant), ("instances", pool)):
            asked = self.request("POST", f"/admin/api/{path}", json.dumps(body), f"Authorization: {KEY}\r\n")
            assert (await self.send([asked], 1))[0][0] == 201, path
        await asyncio.sleep(2)

    def request(self, method, target, body="", more=""):
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        return f"{method} {target} HTTP/1.1\r\nHost: {HOST}\r\n{more}{length}\r\n{body}".encode()

    def call(self, name, query):
        checksum = hashlib.sha256(f"{name}{query}{SECRET}".encode()).hexdigest()
        return self.request("GET", f"/bigbluebutton/api/{name}?{query}&checksum={checksum}")

    async def send(self, requests, connections=CONNECTIONS):
        """Sends them over so many connections; status and body of each."""
        waiting, answers = iter(requests), []

        async def one():
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            for request in waiting:
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length:")[1].split("\r\n")[0]) if "content-length:" in head else 0
                answers.append((int(head.split(" ", 2)[1]), await reader.readexactly(length)))
            writer.close()

        await asyncio.gather(*(one() for _ in range(connections)))
        return answers

    def requests(self, kind, count, mark):
        """Requests of one kind: about known meetings in turn, or about new ones with this mark."""
        known = [f"known-{n % KNOWN}" for n in range(count)]
        new = [f"new-{mark}-{n}" for n in range(count)]
        return {
            "join": lambda: [self.call("join", f"fullName=Ada&meetingID={m}&role=VIEWER") for m in known],
            "getMeetingInfo": lambda: [self.call("getMeetingInfo", f"meetingID={m}") for m in known],
            "create again": lambda: [self.call("create", f"name=Room&meetingID={m}") for m in known],
            "create": lambda: [self.call("create", f"name=Room&meetingID={m}") for m in new],
            "end": lambda: [self.call("end", f"meetingID={m}") for m in new],
        }[kind]()

    async def know(self):
        await self.run("create again", KNOWN, "")

    async def run(self, kind, count, mark):
        answers = await self.send(self.requests(kind, count, mark))
        wrong = [a for a in answers if a[0] != (302 if kind == "join" else 200) or (kind != "join" and b"SUCCESS" not in a[1])]
        assert len(answers) == count and not wrong, (kind, wrong[:1])

    def stop(self):
        self.process.kill()
        self.process.wait()


def start_backend():
    port = free_port()
    return port, subprocess.Popen([sys.executable, __file__, "backend", str(port)])


async def cpu(programs, rounds):
    servers = [start_backend() for _ in programs]
    balancers = [Balancer(program, None, port) for program, (port, _) in zip(programs, servers)]
    spent = {kind: [[], []] for kind in CALLS}
    for balancer in balancers:
        await balancer.set_up()
        await balancer.know()
    await asyncio.sleep(SETTLES)
    for number in range(rounds + 1):
        for kind, count in CALLS.items():
            order = (0, 1) if number % 2 else (1, 0)
            for which in order:
                before = balancers[which].cpu()
                await balancers[which].run(kind, count, str(number))
                if number:  # the first round warms up
                    spent[kind][which].append((balancers[which].cpu() - before) / count * 1e6)
    for stopped in balancers + [process for _, process in servers]:
        stopped.stop() if isinstance(stopped, Balancer) else stopped.kill()
    print("| call | CPU µs before | after | ratio (of all rounds; median of rounds) |\n|---|---|---|---|")
    for kind, (one, other) in spent.items():
        ratios = [b / a for a, b in zip(one, other) if a]
        print(f"| {kind} | {statistics.mean(one):.1f} | {statistics.mean(other):.1f} | "
              f"{sum(other) / sum(one):.3f}; {statistics.median(ratios):.3f} |")


class Monitor:
    """Commands that clients send to a Redis; what scripts do inside is no round trip."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(b"MONITOR\r\n")
        time.sleep(0.2)
        self.socket.setblocking(False)
        self.read()

    def read(self):
        data = b""
        try:
            while chunk := self.socket.recv(1 << 20):
                data += chunk
        except BlockingIOError:
            pass
        lines = [line for line in data.decode(errors="replace").splitlines() if "] \"" in line and " lua]" not in line]
        return Counter(line.split("] \"", 1)[1].split('"', 1)[0].lower() for line in lines)


async def commands(programs, names):
    print("\n| call | " + " | ".join(f"commands to Redis {name}" for name in names) + " |\n|---|---|---|")
    table = {kind: [] for kind in CALLS}
    for program in programs:
        port, (backend, process) = free_port(), start_backend()
        folder = tempfile.TemporaryDirectory()
        redis = subprocess.Popen(["redis-server", "--port", str(port), "--save", "", "--dir", folder.name], stdout=subprocess.DEVNULL)
        await asyncio.sleep(0.5)
        balancer = Balancer(program, f"redis:\n  address: 127.0.0.1:{port}\n", backend)
        await balancer.set_up()
        await balancer.know()
        monitor = Monitor(port)
        await asyncio.sleep(6)
        idle = sum(monitor.read().values()) / 6
        for kind in CALLS:
            began, count = time.monotonic(), 400
            answers = await balancer.send(balancer.requests(kind, count, "redis"), 1)
            assert len(answers) == count
            lasted = time.monotonic() - began
            await asyncio.sleep(0.3)
            seen = monitor.read()
            own = max(0.0, sum(seen.values()) - idle * (lasted + 0.3)) / count
            most = ", ".join(f"{name} {n / count:.1f}" for name, n in seen.most_common(4) if n / count >= 0.3)
            table[kind].append(f"{own:.1f}" + (f" ({most})" if most else ""))
        balancer.stop(), redis.kill(), process.kill()
    for kind, cells in table.items():
        print(f"| {kind} | " + " | ".join(cells) + " |")


async def main():
    if sys.argv[1] == "backend":
        return await serve_backend(int(sys.argv[2]))
    programs, rounds = sys.argv[1:3], int(sys.argv[3]) if len(sys.argv) > 3 else 8
    await cpu(programs, rounds)
    await commands(programs, ("before", "after"))


asyncio.run(main())
