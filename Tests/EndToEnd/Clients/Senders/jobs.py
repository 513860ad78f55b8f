"""What the senders written in Python share: the jobs they are given, and how they say what became of each.

A job is a line of values apart by tabs, in the order of `Job`'s fields; the answer is a line `ID<tab>ok`, or
`ID<tab>failed<tab>WHY`. Senders in other languages read and write the same.
"""

import sys
from typing import NamedTuple


class Job(NamedTuple):
    id: str
    door: str  # `starttls` or `implicit`
    port: int
    mechanism: str
    user: str
    secret: str
    sender: str
    recipients: list
    ca: str
    eml: str  # the whole message
    text: str  # its text, for those that make messages themselves
    attachment: str  # its attachment, or `-`
    flags: set  # of 8bit, utf8, dsn, bdat

    @property
    def is_implicit(self):
        return self.door == "implicit"

    @property
    def subject(self):
        return "matrix " + self.id

    @property
    def parameters(self):
        """MAIL's and RCPT's, by the flags."""
        mail, recipient = [], []
        if "8bit" in self.flags:
            mail.append("BODY=8BITMIME")
        if "utf8" in self.flags:
            mail.append("SMTPUTF8")
        if "dsn" in self.flags:
            mail += ["RET=HDRS", f"ENVID={self.id}"]
            recipient += ["NOTIFY=SUCCESS,FAILURE"]
        return mail, recipient

    def tabbed(self):
        values = self._replace(recipients=",".join(self.recipients), flags=",".join(sorted(self.flags)) or "-")
        return "\t".join(str(value) for value in values) + "\n"


def read(line):
    values = line.rstrip("\n").split("\t")
    job = Job(*values)
    return job._replace(
        port=int(job.port), recipients=job.recipients.split(","), flags=set(job.flags.split(",")) - {"-"})


def each(send):
    """Sends the jobs on the standard input, one after the other."""
    for line in sys.stdin:
        job = read(line)
        try:
            send(job)
            print(job.id, "ok", sep="\t", flush=True)
        except Exception as error:  # noqa: BLE001: whatever went wrong is the answer
            text = f"{type(error).__name__}: {error}".replace("\n", " ").replace("\t", " ")
            print(job.id, "failed", text[-400:], sep="\t", flush=True)
