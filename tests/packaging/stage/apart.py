"""Commands in a copy of this machine that is gone afterwards: changes go to memory, over an overlay of the root."""

import subprocess

COPY = """
set -eu
mount -t tmpfs apart /mnt
mkdir /mnt/changes /mnt/work /mnt/root
mount -t overlay apart -o lowerdir=/,upperdir=/mnt/changes,workdir=/mnt/work /mnt/root
mount -t proc proc /mnt/root/proc
mount --bind /dev /mnt/root/dev
mount -t tmpfs apart /mnt/root/tmp
cp "$1" /mnt/root/tmp/
exec chroot /mnt/root /bin/sh -eu -c "$2"
"""


def command(file, script):
    """The command that runs a script in the copy, with this file in its `/tmp`."""
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", COPY, "apart", str(file), script]


def said(file, script):
    return subprocess.run(command(file, script), capture_output=True, text=True, check=False)
