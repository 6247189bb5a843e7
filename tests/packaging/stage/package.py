"""The Debian package: made, judged by lintian, installed, used as its unit would, removed, purged."""

import subprocess

from . import apart

INSTALL = "export DEBIAN_FRONTEND=noninteractive; dpkg -i /tmp/bigblueswarm_*.deb;"
CONFIGURE = """
bigblueswarm init --config /etc/bigblueswarm/bigblueswarm.yml
chown bigblueswarm: /etc/bigblueswarm/bigblueswarm.yml
"""
AS_THE_UNIT = "install -d -o bigblueswarm -g bigblueswarm -m 700 /var/lib/bigblueswarm; cd /var/lib/bigblueswarm; umask 077;"
BY_ITS_USER = "setpriv --reuid bigblueswarm --regid bigblueswarm --clear-groups --no-new-privs --bounding-set=-all"
SERVE = f"""
export BBS_PORT=18099 BBS_HTTP_ADDRESS=127.0.0.1
{BY_ITS_USER} bigblueswarm check --config /etc/bigblueswarm/bigblueswarm.yml >/dev/null
{BY_ITS_USER} bigblueswarm serve --config /etc/bigblueswarm/bigblueswarm.yml 2>/tmp/log &
tries=0
until bigblueswarm health --ready --config /etc/bigblueswarm/bigblueswarm.yml; do
  tries=$((tries + 1)); [ $tries -lt 100 ] || {{ cat /tmp/log; exit 1; }}; sleep 0.2
done
kill -TERM $!
wait $!
test -s /var/lib/bigblueswarm/bigblueswarm.redb
echo served
"""
EXPECTED = """
test -x /usr/bin/bigblueswarm
test "$(stat -c %U:%G:%a /etc/bigblueswarm)" = root:bigblueswarm:750
getent passwd bigblueswarm | grep -q nologin
test ! -e /etc/systemd/system/multi-user.target.wants/bigblueswarm.service
test -s /usr/share/bash-completion/completions/bigblueswarm
zcat /usr/share/man/man1/bigblueswarm.1.gz | grep -q 'TH bigblueswarm 1'
dpkg-query -W -f '${Conffiles}' bigblueswarm | grep -q default.yml
bigblueswarm version
"""
GONE = """
test ! -e /usr/bin/bigblueswarm
test ! -e /usr/lib/systemd/system/bigblueswarm.service
test ! -e /usr/share/doc/bigblueswarm
"""


def check(tally, root, program):
    made = subprocess.run([root / "config/debian/build", program], capture_output=True, text=True, check=False)
    if made.returncode:
        tally.line("deb: is made", made.stderr.splitlines()[-12:])
        return
    deb = made.stdout.strip().splitlines()[-1]
    tally.line(f"deb: is made: {deb}", [])
    tally.run("deb: lintian finds no error and nothing to warn of", ["lintian", "--allow-root", "--fail-on", "error,warning", deb])

    def apart_(what, script, **expected):
        tally.run(f"deb: {what}", apart.command(deb, INSTALL + script), **expected)

    apart_("installed, everything is in its place and nothing is enabled", EXPECTED, said="bigblueswarm 0.")
    apart_("the installed unit is sound", "systemd-analyze verify /usr/lib/systemd/system/bigblueswarm.service")
    apart_("without a configuration the unit's own check refuses", "bigblueswarm check --config /etc/bigblueswarm/bigblueswarm.yml", code=64)
    apart_("its user serves, is asked for its health, and ends at SIGTERM", CONFIGURE + AS_THE_UNIT + SERVE, said="served")
    kept = "dpkg -r bigblueswarm; test -s /etc/bigblueswarm/bigblueswarm.yml; test -s /etc/bigblueswarm/default.yml;"
    apart_("removed, its configuration stays", CONFIGURE + kept + GONE)
    purged = "dpkg -P bigblueswarm; test ! -e /etc/bigblueswarm; test ! -e /var/lib/bigblueswarm; ! dpkg -s bigblueswarm 2>/dev/null;"
    apart_("purged, nothing is left", CONFIGURE + AS_THE_UNIT + purged + GONE)
    apart_("a changed file stays over an upgrade", "echo '# mine' >> /etc/bigblueswarm/default.yml; dpkg -i --force-confold /tmp/bigblueswarm_*.deb; grep -q mine /etc/bigblueswarm/default.yml")
