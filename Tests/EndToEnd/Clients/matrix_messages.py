"""The messages of the matrix, and whether one has arrived as it was sent."""

import base64
import email
import email.policy
import hashlib
import os
import random
import re
import time
import uuid
from dataclasses import dataclass

HEAD_OCTETS = 64 << 10
# What servers on the way put in front.
TRACE = (b"return-path:", b"x-envelope-to:", b"received:")
LARGE = 20_000_000


class Outbox:
    """Where the relay files what it gets, a file a message."""

    def __init__(self, folder):
        self.folder = folder
        self.heads = {}

    def look(self):
        for name in os.listdir(self.folder):
            if name.endswith(".eml") and name not in self.heads:
                with open(os.path.join(self.folder, name), "rb") as file:
                    self.heads[name] = file.read(HEAD_OCTETS)

    def to(self, recipient):
        """The names of the files for one recipient."""
        self.look()
        line = b"X-Envelope-To: " + recipient.encode() + b"\r\n"
        return [name for name, head in self.heads.items() if line in head]

    def read(self, name):
        with open(os.path.join(self.folder, name), "rb") as file:
            return file.read()

    def has(self, word):
        self.look()
        return any(word.encode() in head.split(b"\r\n\r\n")[0] for head in self.heads.values())

    def wait_for(self, recipients, seconds=60):
        """The files for these, once each has one."""
        end = time.monotonic() + seconds
        while True:
            found = {recipient: self.to(recipient) for recipient in recipients}
            if all(found.values()) or time.monotonic() > end:
                return found
            time.sleep(0.02)


@dataclass
class Message:
    identity: str
    kind: str
    sender: str
    recipients: list
    eml: str
    text: str
    attachment: str
    flags: set

    def judge(self, outbox, is_raw, suffix):
        """Nil when it has arrived, once for each recipient, as it was sent; else what is wrong."""
        found = outbox.wait_for(self.recipients)
        missing = [recipient for recipient in self.recipients if not found[recipient]]
        if missing:
            return f"not arrived for {len(missing)}: {missing[0]}"
        if any(len(names) > 1 for names in found.values()):
            return "arrived twice"
        for name in {names[0] for names in found.values()}:
            octets = outbox.read(name)
            if not octets.startswith(b"Return-Path: <" + self.sender.encode() + b">\r\n"):
                return f"the sender is {octets.splitlines()[0]}"
            wrong = self.judge_raw(octets, suffix) if is_raw else self.judge_built(octets)
            if wrong:
                return wrong
        return self.judge_report(outbox) if "dsn" in self.flags else None

    def judge_raw(self, octets, suffix):
        """Octet for octet: our trace in front, and nothing else."""
        with open(self.eml, "rb") as file:
            sent = file.read() + suffix
        if not octets.endswith(sent):
            head, body = sent.split(b"\r\n\r\n", 1)
            return "the header differs" if octets.endswith(body) else "the body differs"
        front = re.sub(rb"\r\n[ \t]+", b" ", octets[:-len(sent)]).splitlines()
        strange = [line for line in front if not line.lower().startswith(TRACE)]
        return f"put in front: {strange[0]}" if strange else None

    def judge_built(self, octets):
        """What the client made says what it was given to say."""
        parsed = email.message_from_bytes(octets, policy=email.policy.default)
        if parsed["Subject"] != "matrix " + self.identity:
            return f"the subject is {parsed['Subject']}"
        body = parsed.get_body(("plain",))
        with open(self.text, encoding="utf-8") as file:
            if body is None or body.get_content().split() != file.read().split():
                return "the text differs"
        if self.attachment:
            with open(self.attachment, "rb") as file:
                wanted = hashlib.sha256(file.read()).hexdigest()
            parts = [part.get_payload(decode=True) for part in parsed.iter_attachments()]
            if [hashlib.sha256(part).hexdigest() for part in parts] != [wanted]:
                return "the attachment differs"
        return None

    def judge_report(self, outbox):
        """NOTIFY=SUCCESS was asked for: the sender is told."""
        names = outbox.wait_for([self.sender]).get(self.sender)
        if not names:
            return "no report of success"
        report = outbox.read(names[0])
        if b"message/delivery-status" not in report or self.recipients[0].encode() not in report:
            return "the report is of something else"
        return None


def named(*parts):
    """A name that may stand in an address."""
    return re.sub(r"[^a-z0-9-]", "", "-".join(parts).lower().replace(" ", "-"))


def attachment(folder):
    """20 MB that no two places of are alike, made once."""
    path = os.path.join(folder, "attachment.bin")
    if not os.path.exists(path):
        with open(path, "wb") as file:
            file.write(random.Random(20).randbytes(LARGE))
    return path


def write(folder, name, octets):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(octets)
    return path


def make(kind, identity, domain, folder):
    """A message of a kind: a file with all of it, one with its text, and its attachment."""
    sender, recipients, flags = f"news@{domain}", [f"{identity}@remote.example"], set()
    words = "Good day,\n\n.a line that begins with a dot\n..\nFrom the gate\n"
    if kind == "8bit":
        flags = {"8bit"}
        words += "Grüße aus Köln, здравствуйте, 你好\n"
    elif kind == "utf8":
        flags = {"8bit", "utf8"}
        sender, recipients = f"grüße@{domain}", [f"почта-{identity}@remote.example"]
        words += "Grüße\n"
    elif kind == "hundred":
        recipients = [f"{identity}-{number}@remote.example" for number in range(100)]
    elif kind == "bdat":
        flags = {"bdat"}
        # No dot at the head of a line: Jakarta Mail doubles it, as if this were DATA.
        words = "of several chunks\n" * 200
    elif kind == "dsn":
        flags = {"dsn"}
        sender = f"report-{identity}@{domain}"
    attached = attachment(folder) if kind == "large" else None
    text = write(folder, identity + ".txt", words.encode())
    whole = write(folder, identity + ".eml", eml(identity, sender, recipients[0], words, attached))
    return Message(identity, kind, sender, recipients, whole, text, attached, flags)


def eml(identity, sender, recipient, words, attached):
    head = (
        f"Date: Sat, 28 Nov 2026 12:00:00 +0000\nMessage-ID: <{uuid.uuid4().hex}@client.example>\nFrom: <{sender}>\nTo: <{recipient}>\nSubject: matrix {identity}\nMIME-Version: 1.0\n")
    kind = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    if not attached:
        return (head + kind + words).replace("\n", "\r\n").encode()
    with open(attached, "rb") as file:
        encoded = base64.encodebytes(file.read()).decode()
    return (
        head + "Content-Type: multipart/mixed; boundary=\"=-edge\"\n\n--=-edge\n" + kind + words
        + "\n--=-edge\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n"
        + "Content-Disposition: attachment; filename=data.bin\n\n" + encoded + "\n--=-edge--\n"
    ).replace("\n", "\r\n").encode()
