"""Prints the configuration that the cluster mounts, then a line for each thing in which the files must agree:
what it is, and after a tab why it does not hold.
"""

import re
import sys
from pathlib import Path

import yaml

CONFIG = Path(sys.argv[1])
DRAIN = 25  # deadlines.drain


def main():
    parts = {part["kind"]: part for part in yaml.safe_load_all((CONFIG / "kubernetes/bigblueswarm.yml").read_text())}
    mounted = parts["ConfigMap"]["data"]["bigblueswarm.yml"]
    print(mounted.rstrip() + "\n---")
    pod = parts["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    port = yaml.safe_load(mounted)["port"]
    image = (CONFIG.parent / "Dockerfile").read_text()
    compose = yaml.safe_load((CONFIG / "compose/compose.yml").read_text())["services"]
    ours = compose["bigblueswarm"]
    user = int(re.search(r"^USER (\d+)", image, re.M)[1])

    say("kubernetes: the port is the configured one", [p["containerPort"] for p in container["ports"]] == [port])
    probes = {name: container[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe")}
    say("kubernetes: alive by /healthz, ready by /readyz", probes == {"livenessProbe": "/healthz", "readinessProbe": "/readyz"})
    say("kubernetes: the grace period is longer than the drain", pod["terminationGracePeriodSeconds"] > DRAIN + container["lifecycle"]["preStop"]["sleep"]["seconds"])
    say("kubernetes: the image's user", pod["securityContext"]["runAsUser"] == user != 0)
    labels = parts["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    selectors = [parts["Service"]["spec"]["selector"], parts["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]]
    say("kubernetes: service and budget select the pods", all(s.items() <= labels for s in selectors))
    say("compose: the grace period is longer than the drain", int(ours["stop_grace_period"].rstrip("s")) > DRAIN)
    say("compose: the port is the configured one", ours["ports"] == [f"{port}:{port}"])
    say("compose: the image's own health check", ours["healthcheck"]["test"][1:] == health(image))
    pinned = [service["image"] for service in compose.values()]
    say("compose: every image is of one version", all(re.search(r":v?\d+\.\d+\.\d+", name) for name in pinned))
    unit = (CONFIG / "systemd/bigblueswarm.service").read_text()
    say("systemd: the stop takes longer than the drain", int(re.search(r"TimeoutStopSec=(\d+)", unit)[1]) > DRAIN)


def health(image):
    return yaml.safe_load(re.search(r"HEALTHCHECK.*?CMD (\[.*?\])", image, re.S)[1])


def say(what, holds):
    print(f"{what}\t{'' if holds else 'it does not'}")


main()
