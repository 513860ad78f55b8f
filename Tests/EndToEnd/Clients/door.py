"""What stands at the door: PROXY headers, limits, channel bindings. Prints what the server answered, a line each.

usage: door.py CASE PORT CA [USERNAME SECRET_FILE]
"""

import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct
import sys
import time

from lines import Lines, client_hello

case, port, ca = sys.argv[1], int(sys.argv[2]), sys.argv[3]
username = sys.argv[4] if len(sys.argv) > 4 else ""
secret = open(sys.argv[5]).read().strip() if len(sys.argv) > 5 else ""


class Session(Lines):
    def __init__(self, before=b"", implicit=False, version=None, server_name="localhost"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.sendall(before)
        self.version, self.server_name = version, server_name
        if implicit:
            self.wrap()
        self.file = self.socket.makefile("rb")

    def wrap(self):
        context = ssl.create_default_context(cafile=ca)
        context.check_hostname = False
        if self.version:
            context.maximum_version = self.version
        self.socket = context.wrap_socket(self.socket, server_hostname=self.server_name)

    def starttls(self):
        self.reply()
        self.say("EHLO client.example")
        answer = self.say("STARTTLS")
        assert answer.startswith("220"), answer
        self.wrap()
        self.file = self.socket.makefile("rb")
        return self.say("EHLO client.example")

    def plain(self, secret):
        text = base64.b64encode(f"\0{username}\0{secret}".encode()).decode()
        return self.say("AUTH PLAIN " + text)


def scram(session, binding_name, data, mechanism="SCRAM-SHA-256-PLUS"):
    nonce = base64.b64encode(os.urandom(18)).decode()
    gs2 = f"p={binding_name},,"
    bare = f"n={username},r={nonce}"
    answer = session.say(f"AUTH {mechanism} " + base64.b64encode((gs2 + bare).encode()).decode())
    if not answer.startswith("334"):
        return answer
    first = base64.b64decode(answer[4:]).decode()
    parts = dict(part.split("=", 1) for part in first.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    final = "c=" + base64.b64encode(gs2.encode() + data).decode() + ",r=" + parts["r"]
    message = f"{bare},{first},{final}".encode()
    signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
    answer = session.say(base64.b64encode(f"{final},p={proof}".encode()).decode())
    return session.say("") if answer.startswith("334") else answer


def version_2(address, number=1234, command=0x21):
    payload = socket.inet_aton(address) + socket.inet_aton("198.51.100.1") + struct.pack(">HH", number, 587)
    payload += b"\x04\x00\x03abc"
    return b"\r\n\r\n\x00\r\nQUIT\n" + bytes([command, 0x11]) + struct.pack(">H", len(payload)) + payload


if case == "proxy":
    print(Session(b"PROXY TCP4 192.0.2.77 198.51.100.1 4321 587\r\n").reply())
    print(Session(version_2("192.0.2.78")).reply())
    # A health check: the balancer speaks for itself.
    print(Session(version_2("192.0.2.78", command=0x20)).reply())
    print(Session(b"EHLO no.header\r\n").reply())
    session = Session(version_2("203.0.113.9"))
    session.starttls()
    print(session.plain(secret))
elif case == "proxy-tls":
    session = Session(b"PROXY TCP6 2001:db8::7 2001:db8::1 4321 465\r\n", implicit=True)
    print(session.reply())
    session.say("EHLO client.example")
    print(session.plain(secret))
elif case == "unlisted":
    print(Session(b"PROXY TCP4 192.0.2.77 198.51.100.1 4321 587\r\n").reply())
    session = Session()
    session.reply()
    print(session.say("PROXY TCP4 192.0.2.77 198.51.100.1 4321 587"))
elif case == "binding":
    session = Session(version=ssl.TLSVersion.TLSv1_2)
    print("offered" if "SCRAM-SHA-256-PLUS" in session.starttls() else "not offered")
    certificate = session.socket.getpeercert(binary_form=True)
    print(scram(session, "tls-server-end-point", hashlib.sha256(certificate).digest()))
    for name, data in [
        ("tls-server-end-point", hashlib.sha256(b"another").digest()),
        ("tls-unique", session.socket.get_channel_binding("tls-unique")),
    ]:
        session = Session(version=ssl.TLSVersion.TLSv1_2)
        session.starttls()
        print(scram(session, name, data))
elif case == "crowd":
    sessions = [Session() for _ in range(3)]
    print([session.reply()[:3] for session in sessions])
    print(Session().reply())
    # Whoever logs in makes room for the next one from the same address.
    session = sessions[0]
    session.say("EHLO client.example")
    session.say("STARTTLS")
    session.wrap()
    session.file = session.socket.makefile("rb")
    session.say("EHLO client.example")
    print(session.plain(secret)[:3])
    print(Session().reply()[:3])
elif case == "guess":
    session = Session()
    session.starttls()
    answers = []
    for number in range(6):
        answers.append(session.plain(f"gp_wrong{number}")[:3])
        if answers[-1] != "535":
            break
    print(" ".join(answers) + " " + session.reply())
    session = Session()
    session.starttls()
    print(session.plain(secret)[:3])
elif case == "names":
    for name in ["localhost", "smtp.customer.example"]:
        session = Session(implicit=True, server_name=name)
        session.reply()
        print(dict(session.socket.getpeercert())["subjectAltName"][0][1])
elif case == "hold":
    # Logs in, says so, and goes on when a line comes on stdin.
    session = Session()
    session.starttls()
    print(session.plain(secret)[:3], flush=True)
    sys.stdin.readline()
    print(session.say("NOOP"), flush=True)
elif case == "login":
    session = Session()
    session.starttls()
    print(session.plain(secret)[:3])
elif case == "stall":
    # Handshakes that stall, and how often a session that begins then is turned away before it is served.
    def stalled(octets):
        connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        connection.sendall(octets)
        return connection

    def is_answered(connection):
        try:
            return connection.recv(1) != b""
        except OSError:
            return False

    hello = client_hello()
    for octets in (hello[:100], hello):
        held = [stalled(octets) for _ in range(20)]
        if octets is hello:
            # As many as may be are under way, and the rest were turned away.
            print(sum(1 for connection in held if is_answered(connection)))
        begun, refused = time.monotonic(), 0
        while True:
            try:
                session = Session(implicit=True)
                break
            except OSError:
                refused += 1
                # (Before the server gives up the first of them by itself.)
                assert time.monotonic() < begun + 9
                time.sleep(0.05)
        session.reply()
        session.say("EHLO client.example")
        print(session.plain(secret)[:3], refused)
elif case == "nagle":
    # The least of several, in milliseconds: a socket as Python makes it holds a small segment back until what it sent
    # before is acknowledged, which a kernel that has nothing to send does after 40 ms, and never earlier.
    first, pieces, long = [], [], []
    for _ in range(5):
        session = Session()
        session.reply()
        session.say("EHLO client.example")
        session.say("STARTTLS")
        session.wrap()
        session.file = session.socket.makefile("rb")
        begun = time.monotonic()
        session.say("EHLO client.example")
        first.append(time.monotonic() - begun)
    session.plain(secret)
    text = b"From: a@" + username.split(".")[0].encode() + b".example\r\n\r\n" + b"x" * 76 + b"\r\n" + b"y\r\n" * 5600
    for _ in range(5):
        begun = time.monotonic()
        for piece in (b"NO", b"OP", b"\r\n"):
            session.socket.sendall(piece)
        session.reply()
        pieces.append(time.monotonic() - begun)
        session.say(f"MAIL FROM:<a@{username.split('.')[0]}.example>")
        session.say("RCPT TO:<b@remote.example>")
        session.say("DATA")
        begun = time.monotonic()
        session.socket.sendall(text + b".\r\n")
        answer = session.reply()
        assert answer.startswith("250"), answer
        long.append(time.monotonic() - begun)
    for durations in (first, pieces, long):
        print(round(min(durations) * 1000))
