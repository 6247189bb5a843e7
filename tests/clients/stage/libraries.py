"""The client libraries: how each is installed, run, and what it must bring to light."""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
CARGO = os.environ.get("CARGO", "cargo")


@dataclass
class Library:
    """A client library and its driver."""

    language: str
    name: str
    version: str
    command: list  # runs the driver
    by_path: bool = False  # called as /t/HOST/bigbluebutton, on any host
    env: dict = field(default_factory=dict)
    # Calls in whose answers its tenant's own mark must be found.
    echoing: tuple = ("create", "getMeetingInfo", "getMeetings")

    @property
    def title(self):
        return f"{self.language} {self.name} {self.version}"


def install(cache):
    """Installs what is missing into the cache folder and returns all libraries."""
    return [*_python(cache / "python"), *_javascript(cache / "javascript"), *_rust(cache / "rust")]


def _python(cache):
    drivers = {
        "bigbluebutton-api-python": "api_python.py",
        "bigbluebutton-api-python-medad": "api_python.py",
        "bigbluebutton2": "group.py",
    }
    for name, driver in drivers.items():
        # One environment each: two of them are modules of one name.
        place, pins = cache / name, HERE / "python" / f"{name}.txt"
        with _once(place, [pins]) as fresh:
            if fresh:
                _run("python3", "-m", "venv", place)
                _run(place / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", pins)
        version = pins.read_text().split(f"{name}==")[1].split()[0]
        yield Library("Python", name, version, [place / "bin/python", HERE / "python" / driver])


def _javascript(cache):
    files = [HERE / "javascript" / name for name in ("package.json", "package-lock.json", ".npmrc")]
    with _once(cache, files) as fresh:
        if fresh:
            cache.mkdir(parents=True)
            for file in files:
                shutil.copy(file, cache)
            _run("npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", cwd=cache)
    env = {"NODE_PATH": str(cache / "node_modules"), "NODE_NO_WARNINGS": "1"}
    for name, version, by_path in (("bigbluebutton-js", "0.2.0", True), ("bbb-promise", "1.2.0", False)):
        command = ["node", HERE / "javascript" / f"{name}.cjs"]
        yield Library("JavaScript", name, version, command, by_path, env)


def _rust(cache):
    manifest = HERE / "rust" / "Cargo.toml"
    _run(CARGO, "build", "--quiet", "--locked", "--manifest-path", manifest, "--target-dir", cache)
    yield Library("Rust", "bigbluebutton", "0.2.3", [cache / "debug/clients"], by_path=True)


class _once:
    """Tells whether a folder must be made: it is not there, or not from these files. A failure leaves no stamp."""

    def __init__(self, place, files):
        self.place, self.stamp = place, place / ".made-from"
        self.digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()

    def __enter__(self):
        self.fresh = not (self.stamp.exists() and self.stamp.read_text() == self.digest)
        if self.fresh:
            shutil.rmtree(self.place, ignore_errors=True)
        return self.fresh

    def __exit__(self, failed, *_):
        if self.fresh and not failed:
            self.stamp.write_text(self.digest)


def _run(*command, **more):
    subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL, **more)
