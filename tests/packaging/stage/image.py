"""The image's last stage, run without docker: its files laid out by hand, read-only, under its user, with its own commands."""

import json
import re
import shutil
import subprocess
from pathlib import Path

# What the base image has of Debian 12 that a program could need: the C library, the compiler's, and TLS roots.
BASE = ("libc6", "libgcc-s1", "ca-certificates")

RUN = """
set -eu
root=$1 user=$2 state=$3 config=$4 health=$5
shift 5
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount -t tmpfs -o "mode=700,uid=$user,gid=$user" state "$root$state"
mount --bind "$config" "$root/etc/bigblueswarm/bigblueswarm.yml"
enter() { exec unshare --root "$root" --wd "$state" --setuid "$user" --setgid "$user" "$@"; }
(enter "$@") 2>"$root/tmp/log" &
tries=0
until (enter $health); do
  tries=$((tries + 1)); [ $tries -lt 100 ] || { cat "$root/tmp/log"; exit 1; }; sleep 0.2
done
if (enter /bin/sh -c true) 2>/dev/null; then echo "there is a shell"; exit 1; fi
kill -TERM $!
wait $!
test -s "$root$state/data/bigblueswarm.redb"
echo served
"""


def check(tally, root, cache, program):
    stage = last_stage((root / "Dockerfile").read_text())
    place = cache / "image"
    shutil.rmtree(place, ignore_errors=True)
    lay_out(place, root, program, stage)
    needs = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    libraries = re.findall(r"(?:=> )?(/\S+) \(", needs)
    missing = [f"{name} is not in the base image" for name in libraries if not there(place, name)]
    tally.line("image: the base has every library that the program needs", missing)
    config = cache / "image.yml"
    config.write_text(
        "port: 18098\nhttp:\n  address: 127.0.0.1\nbigblueswarm:\n  secret: a-secret-0123456789\nadmin:\n  apiKey: a-key-0123456789\n"
    )
    user = stage["USER"][0].split(":")[0]
    command = json.loads(stage["ENTRYPOINT"][0]) + json.loads(stage["CMD"][0])
    health = " ".join(json.loads(re.search(r"CMD (\[.*\])", stage["HEALTHCHECK"][0])[1]))
    run = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", RUN, "image"]
    tally.run(
        "image: its user serves on a read-only root without a shell, is healthy by its own check, and ends at SIGTERM",
        [*run, place, user, stage["WORKDIR"][0], config, health, *command],
        said="served",
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    tally.line("image: does not run as root", ["it does"] if user == "0" else [])


def last_stage(text):
    """Instruction → its arguments, of the last stage."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.M).replace("\\\n", " ")
    stage = {}
    for line in text.splitlines():
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            stage = {}
        if name:
            stage.setdefault(name, []).append(re.sub(r"\s+", " ", rest).strip())
    return stage


def lay_out(place, root, program, stage):
    for name in ("etc/bigblueswarm", "etc/ssl/certs", "lib64", "tmp", "usr/bin", "var/lib/bigblueswarm"):
        (place / name).mkdir(parents=True, exist_ok=True)
    for package in BASE:
        listed = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=True).stdout
        for name in listed.splitlines():
            source, target = Path(name), place / name.lstrip("/")
            if source.is_file() and "/lib" in name and "/share/" not in name:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
    # That package makes this file when it is installed.
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", place / "etc/ssl/certs/")
    for copy in stage["COPY"]:
        words = [word for word in copy.split() if not word.startswith("--")]
        source, target = words[-2], place / words[-1].lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.endswith("/bigblueswarm"):
            subprocess.run(["strip", "-o", target, program], check=True)
        elif (root / source).is_file():
            shutil.copy(root / source, target)
    (place / "etc/bigblueswarm/bigblueswarm.yml").touch()


def there(place, name):
    return (place / name.lstrip("/")).exists() or (place / "usr" / name.lstrip("/")).exists()
