"""What the clients talk to: simulated servers, the built program, two tenants."""

import json
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

SERVERS = 3
READY_WITHIN = 60
STOP_WITHIN = 30


@dataclass(eq=False)
class Tenant:
    """Who calls: its host is its name."""

    name: str
    host: str
    secret: str
    mark: str
    inbox: object  # its own server


class Swarm:
    """Simulated servers and the balancer before them; a context that ends both."""

    def __init__(self, program, folder, version):
        self.program, self.folder, self.version = Path(program), Path(folder), version
        self.admin_key, self.token = secrets.token_hex(24), secrets.token_hex(24)
        self.shared_secret = secrets.token_hex(24)
        self.port = _free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.processes, self.instances = [], {}

    def __enter__(self):
        try:
            self._simulate()
            self._serve()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()

    def register(self, tenants):
        """Makes instances and tenants known, and waits until all is heard."""
        self._admin("instances", {"kind": "InstanceList", "instances": self.instances})
        for tenant in tenants:
            spec = {"host": tenant.host, "secret": tenant.secret}
            self._admin("tenants", {"kind": "Tenant", "spec": spec, "instances": []})
        self._wait("/readyz", "the balancer is not ready")

    def log(self):
        """What the balancer logged."""
        return (self.folder / "balancer.log").read_text(errors="replace")

    def secrets(self):
        """What no answer may ever hold."""
        return [self.admin_key, self.token, self.shared_secret, *self.instances.values()]

    def _simulate(self):
        arguments = ["simulate", "--servers", str(SERVERS), "--port", "0", "--bbb-version", self.version]
        # People's browsers open what a library is answered.
        arguments += ["--connect-after", "0"]
        arguments += ["--push", self.origin, "--token", self.token]
        process = self._start(arguments, "simulated.log", stdout=subprocess.PIPE)
        for line in process.stdout:
            if line.startswith("{"):
                self.instances = json.loads(line)["instances"]
                return
        raise RuntimeError("the simulated servers did not start: see " + str(self.folder / "simulated.log"))

    def _serve(self):
        config = self.folder / "clients.yml"
        config.write_text(CONFIG.format(self=self))
        self._start(["serve", "--config", str(config), "-log.level", "info"], "balancer.log")
        self._wait("/healthz", "the balancer did not start")

    def _start(self, arguments, log, **more):
        out = open(self.folder / log, "w")
        process = subprocess.Popen([self.program, *arguments], stderr=out, text=True, **({"stdout": out} | more))
        self.processes.append(process)
        return process

    def _admin(self, path, document):
        request = urllib.request.Request(
            f"{self.origin}/admin/api/{path}",
            json.dumps(document).encode(),
            {"Authorization": self.admin_key, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()

    def _wait(self, path, complaint):
        until, last = time.monotonic() + READY_WITHIN, None
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(self.origin + path, timeout=5):
                    return
            except urllib.error.HTTPError as error:
                last = error.read().decode(errors="replace")
            except OSError as error:
                last = error
            time.sleep(0.1)
        raise RuntimeError(f"{complaint}: {last}\n{self.log()[-2000:]}")


CONFIG = """\
port: {self.port}
http:
  address: 127.0.0.1
bigblueswarm:
  secret: {self.shared_secret}
  recordingsPollInterval: 2s
admin:
  apiKey: {self.admin_key}
  ingestToken: {self.token}
store:
  path: {self.folder}/clients.redb
callbacks:
  baseUrl: {self.origin}
  allow: [127.0.0.0/8]
"""


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
