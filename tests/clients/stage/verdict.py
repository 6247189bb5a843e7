"""What is searched for after a library has run, and the count of all checks."""

import re

from .marks import occurs

# What a server makes up for a meeting or a user; nobody else may ever see it.
MADE_UP = re.compile(rb"<(internalMeetingID|session_token|auth_token|hookID)>([^<]{6,})</")


class Tally:
    """Counts checks and prints a line for each."""

    def __init__(self):
        self.passed, self.failed = 0, 0

    def line(self, title, what, failures):
        """One check of a library; no failure means that it passed."""
        self.passed += not failures
        self.failed += bool(failures)
        print(f"{'FAIL' if failures else 'ok  '}  {title}: {what}", flush=True)
        for failure in failures:
            print(f"        {failure}", flush=True)


def judge(tally, library, seen, secrets):
    """Searches what two tenants saw of one library. `seen`: tenant → (exchanges, bytes from elsewhere)."""
    (first, second) = seen
    for mine, other in ((first, second), (second, first)):
        exchanges, elsewhere = seen[mine]
        answers = [(f"answer of {x.call or 'root'}", x.answer) for x in exchanges] + [("a page elsewhere", elsewhere)]
        size = sum(len(data) for _, data in answers)
        foreign = [name for name, data in answers if occurs(other.mark, data)]
        foreign += _made_up_elsewhere(seen, mine, other)
        what = f"nothing of {other.name} in {mine.name}'s {len(answers)} answers ({size} bytes)"
        tally.line(library.title, what, [f"{other.name}'s mark is in the {name}" for name in foreign])
        told = [name for name, data in answers for secret in secrets if secret.encode() in data]
        tally.line(library.title, f"no secret in {mine.name}'s answers", [f"a secret is in the {n}" for n in told])
        silent = [
            call
            for call in library.echoing
            if not any(x.call == call and occurs(mine.mark, x.answer) for x in exchanges)
        ]
        what = f"{mine.name}'s own mark is in its {', '.join(library.echoing)}"
        tally.line(library.title, what, [f"it is not in any answer of {call}" for call in silent])


def _made_up_elsewhere(seen, mine, other):
    """Ids and tokens that a server made up for the other tenant, in answers of this one."""
    def made_up(tenant):
        return {word for x in seen[tenant][0] if x.call in ("create", "join") for _, word in MADE_UP.findall(x.answer)}

    # An id of a meeting is made of its external id and a millisecond, so that two can be the same by chance.
    foreign = made_up(other) - made_up(mine)
    return [
        f"answer of {x.call} as {word.decode()!r}" for x in seen[mine][0] for word in foreign if word in x.answer
    ]
