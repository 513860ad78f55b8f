"""The matrix of clients: each client, through both doors, by each of its mechanisms, with each kind of message.

usage: matrix.py CLIENT FORM SETTINGS

FORM is `short` (every door and mechanism with a plain message, every other kind once) or `full` (every cell, and a
message of 20 MB through each door). SETTINGS is a JSON file: `ports` (by door), `ca`, `stranger` (an authority that has not signed the
server's certificate), `outbox`, `log` (the server's), `folder`, `domain`, `credentials` (mechanism → user, secret; each
may log in by that mechanism only), `relays` (door/mechanism → port, for clients that are servers themselves).

Prints a JSON line for each cell: client, door, mechanism, kind, whether what arrived is what was sent, what was wrong.
"""

import json
import sys
import time

import matrix_clients
import matrix_messages
from Senders.jobs import Job

client, form, settings = matrix_clients.CLIENTS[sys.argv[1]], sys.argv[2], json.load(open(sys.argv[3]))
outbox = matrix_messages.Outbox(settings["outbox"])


def cells():
    """(door, mechanism, kind), those of one process together."""
    first = True
    # First: some clients go on trusting, in one process, an authority they were given once.
    if client.is_verifying:
        for door in client.doors:
            yield door, client.mechanisms[0], "stranger"
    for door in client.doors:
        for mechanism in client.mechanisms:
            yield door, mechanism, "plain"
            for kind in client.kinds:
                if kind == "large" and form == "full" and mechanism == client.mechanisms[0]:
                    yield door, mechanism, kind
                elif kind not in ("plain", "large") and (form == "full" or first):
                    yield door, mechanism, kind
            first = False


def job(door, mechanism, kind):
    identity = matrix_messages.named(client.name, door, mechanism, kind)
    message = matrix_messages.make(kind, identity, settings["domain"], settings["folder"])
    relay = settings.get("relays", {}).get(f"{door}/{mechanism}")
    credential = settings["credentials"].get(mechanism, {"user": "-", "secret": "-"})
    return Job(
        identity, door, relay or settings["ports"][door], mechanism, credential["user"], credential["secret"],
        message.sender, message.recipients, settings["stranger" if kind == "stranger" else "ca"], message.eml,
        message.text, message.attachment or "-", message.flags), message


def finding(door, mechanism, kind, wrong):
    print(json.dumps({
        "row": f"{client.name} {door} {mechanism} {kind}", "client": client.name, "version": client.version(),
        "door": door, "mechanism": mechanism, "kind": kind, "ok": not wrong, "wrong": wrong}), flush=True)


def log_position():
    with open(settings["log"], "rb") as file:
        return file.seek(0, 2)


def logins(position):
    """(user, mechanism) of each login since."""
    with open(settings["log"], "rb") as file:
        file.seek(position)
        for line in file:
            if b'"message":"login"' in line:
                record = json.loads(line)
                yield record["credential"], record["mechanism"]


def main():
    begun = log_position()
    planned = [(cell, *job(*cell)) for cell in cells()]
    answers = client.send([job for _, job, _ in planned])
    for (door, mechanism, kind), one, message in planned:
        answer = answers.get(one.id, "said nothing of it")
        if kind == "stranger":
            # Nothing may be shown to a server that is not who it says: no login, no message.
            wrong = "sent all the same" if answer == "ok" else None
            if not wrong and "said nothing" in answer:
                wrong = answer
        elif answer != "ok":
            wrong = answer
        else:
            wrong = message.judge(outbox, client.is_raw, client.suffix)
        finding(door, mechanism, kind, wrong)
    expected = {settings["credentials"][name]["user"]: name for name in client.mechanisms}
    seen = set(logins(begun))
    for user, mechanism in seen:
        if user in expected and expected[user] != mechanism:
            finding("any", mechanism, "login", f"logged in by {mechanism} as {user}")
    for user, mechanism in expected.items():
        if (user, mechanism) not in seen:
            finding("any", mechanism, "login", f"nobody has logged in by {mechanism}")
    if outbox.has("stranger"):
        finding("any", "any", "stranger", "a message to a server of an unknown authority has arrived")


begun = time.monotonic()
main()
print(f"{client.name}: {time.monotonic() - begun:.1f} s", file=sys.stderr)
