"""THREATS §7 on the wire, against a server with small limits: who takes without giving, or gives without end.

usage: exhaustion.py PORT TLS_PORT CA USERNAME SECRET_FILE SENDER

The server's limits: 3 s to log in, 2 s for a handshake, 2 s to read its replies, 12 connections, 6 handshakes, 1 KiB/s
after a message's first minute. Prints a line for each case: `ok` or what was wrong.
"""

import select
import socket
import sys
import threading
import time

sys.argv = [sys.argv[0], "§7", *sys.argv[1:7], "-"]
from lines import client_hello  # noqa: E402
from threat_client import Client, Closed, Wrong, b64, ca, port, secret, sender, tls_port, username  # noqa: E402


def within(seconds, what, action):
    begun = time.monotonic()
    action()
    if time.monotonic() - begun > seconds:
        raise Wrong(f"{what} took {time.monotonic() - begun:.1f} s")


def ended(client, *codes):
    try:
        while True:
            line = client.line()
            if any(line.startswith(code) for code in codes):
                return client.closed()
    except (Closed, OSError) as error:
        if codes:
            raise Wrong(f"closed without a word: {error}")


def ended_while_sending(client, octets, pause, *codes):
    """In one thread: Python's TLS is not for two at once."""
    try:
        while not select.select([client.socket], [], [], pause)[0]:
            client.send(octets)
    except OSError as error:
        raise Wrong(f"closed while sending: {error}")
    ended(client, *codes)


def silent():
    client = Client()
    within(10, "the time to log in", lambda: ended(client, "421 4.4.2"))


def talkative():
    """The time to log in is one, however much is said in it."""
    client = Client()
    client.secure()

    def talk():
        while True:
            client.send(b"NOOP\r\n")
            line = client.line()
            if line.startswith("421 4.4.2"):
                return client.closed()
            time.sleep(0.3)

    within(10, "the time to log in", talk)


def half_handshake():
    client = Client()
    client.say("EHLO client.example", "250")
    client.say("STARTTLS", "220")
    client.send(b"\x16\x03\x01\x02\x00\x01")
    within(10, "half a handshake", lambda: ended(client))


def too_many_handshakes():
    """Beyond the bound a connection is closed, and there is room again when the others have gone."""
    clients = []
    refused = 0
    hello = client_hello()
    for _ in range(8):
        client = Client()
        client.say("EHLO client.example", "250")
        clients.append(client)
    for client in clients:
        client.say("STARTTLS", "220")
        client.send(hello)
    time.sleep(1)  # the others' time for a handshake is not over yet
    for client in clients:
        client.socket.settimeout(0.02)
        try:
            if client.socket.recv(1) == b"":
                refused += 1
        except TimeoutError:
            pass
        except (Closed, OSError):
            refused += 1
    for client in clients:
        client.socket.close()
    if not 0 < refused < 8:
        raise Wrong(f"{refused} of 8 refused")
    time.sleep(0.5)
    Client().login()


def too_many_connections():
    clients = []
    try:
        for _ in range(20):
            client = Client(greet=False)
            line = client.reply("220", "421 4.3.2")[0]
            if line.startswith("421"):
                client.closed()
                late = socket.create_connection(("127.0.0.1", tls_port), timeout=5)
                late.settimeout(5)
                if late.recv(100) != b"":
                    raise Wrong("an answer in clear on the port that begins with TLS")
                return
            clients.append(client)
        raise Wrong("20 connections with a limit of 12")
    finally:
        for client in clients:
            client.socket.close()
        time.sleep(0.5)


def unread():
    """Replies that nobody reads end the connection, and hold little memory until then."""
    client = Client.__new__(Client)
    client.socket = socket.socket()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.socket.bind(("127.0.9.1", 0))
    client.socket.settimeout(20)
    client.socket.connect(("127.0.0.1", port))
    client.buffer = b""
    client.reply("220")
    client.secure()
    client.say("AUTH PLAIN " + b64(f"\0{username}\0{secret}"), "235")
    line = b"MAIL FROM:<" + sender.encode() + b">\r\n" + b"RCPT TO:<r@remote.example>\r\n" * 5000 + b"RSET\r\n"
    begun = time.monotonic()
    try:
        while time.monotonic() - begun < 90:
            client.send(line)
    except OSError as error:
        if "timed out" in str(error):
            raise Wrong("still open after 20 s")
        return
    raise Wrong("it takes commands without end")


def slow_data():
    client = Client()
    client.login()
    client.envelope()
    client.say("DATA", "354")
    begun = time.monotonic()
    ended_while_sending(client, b"x", 1, "421 4.4.2")
    if not 55 < time.monotonic() - begun < 80:
        raise Wrong(f"ended after {time.monotonic() - begun:.0f} s")


def run(case):
    try:
        case()
        print(f"ok {case.__name__}", flush=True)
    except Exception as error:  # noqa: BLE001: whatever went wrong is the finding
        print(f"wrong {case.__name__}: {type(error).__name__}: {error}", flush=True)


slow = threading.Thread(target=run, args=(slow_data,))
slow.start()
for case in [silent, talkative, half_handshake, too_many_handshakes, too_many_connections, unread]:
    run(case)
slow.join()
