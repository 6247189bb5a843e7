"""The files that operators start from, each by a linter or schema of its kind and by our own program."""

import subprocess
import tempfile
from pathlib import Path

SECRETS = {
    "BBS_BIGBLUESWARM_SECRET": "a-long-random-text-0123456789",
    "BBS_ADMIN_API_KEY": "another-random-text-0123456789",
}
DATABASE = {"BBS_INFLUXDB_TOKEN": "a-third-random-text-0123456789"}


def check(tally, root, tools, program):
    config = root / "config"
    tally.run("Dockerfile: hadolint", [tools / "hadolint", "--no-color", root / "Dockerfile"])
    schema = [tools / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    tally.run("compose: schema of the compose specification", [*schema, config / "compose/compose.yml"])
    cluster = config / "kubernetes/bigblueswarm.yml"
    tally.run("kubernetes: schema, strict", [tools / "kubernetes-validate", "--strict", cluster])
    for name in ("example.yml", "example-redis.yml", "compose/bigblueswarm.yml"):
        accepted(tally, f"{name}: our own check", program, (config / name).read_text())
    judge(tally, tools, program, config)


def accepted(tally, what, program, text):
    """Our own program takes this configuration, its secrets given by the environment."""
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(text)
        file.flush()
        command = [program, "check", "--config", file.name]
        more = DATABASE if "influxdb:8086" in text else {}
        tally.run(what, command, said="bigblueswarm:", env={"HOME": "/nonexistent"} | SECRETS | more)


def judge(tally, tools, program, config):
    """What no schema says, in the linters' own Python, which has a reader of YAML."""
    script = Path(__file__).with_name("agree.py")
    told = subprocess.run([tools / "python", script, config], capture_output=True, text=True, check=False)
    if told.returncode:
        tally.line("files agree", [told.stderr.strip()[-400:]])
        return
    mounted, _, rest = told.stdout.partition("\n---\n")
    accepted(tally, "kubernetes: our own check of the ConfigMap", program, mounted)
    for line in rest.splitlines():
        what, _, failure = line.partition("\t")
        tally.line(what, [failure] if failure else [])
