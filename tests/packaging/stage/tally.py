"""What was checked, and how it went."""

import subprocess


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def line(self, what, failures):
        """Counts one check; it went well if nothing failed."""
        self.passed, self.failed = self.passed + (not failures), self.failed + bool(failures)
        print(f"{'FAIL' if failures else 'ok  '}  {what}", flush=True)
        for failure in failures:
            print(f"        {failure}", flush=True)

    def run(self, what, command, code=0, said="", **options):
        """Counts a command that must end with this code, having said this."""
        run = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            **options,
        )
        lines = run.stdout.strip().splitlines()
        failures = []
        if run.returncode != code:
            failures = [f"ended with {run.returncode}, not {code}", *lines[-12:]]
        elif said not in run.stdout:
            failures = [f"did not say {said!r}", *lines[-12:]]
        self.line(what, failures)
        return run.stdout
