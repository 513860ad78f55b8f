"""Opens sessions, logs in, and waits for the server to end them.

usage: watch.py JOURNAL CA USERNAME SECRET_FILE SESSIONS SENDER STATE PORT

STATE: idle (after AUTH), data (in the middle of a message), flood (in the middle of a message whose octets go on coming
for two seconds after the server has had its last word: as a client does that reads only when it has sent all).
The journal: `ready` once all are open, then for each end a line `ended SECONDS_SINCE_EPOCH LAST_LINE`.
"""

import os
import select
import smtplib
import ssl
import sys
import threading
import time

journal_path, ca, username, secret_file, sessions, sender, state, port = sys.argv[1:]
secret = open(secret_file).read().strip()
journal = os.open(journal_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def note(*words):
    os.write(journal, (" ".join(str(word) for word in words) + "\n").encode("ascii", "replace"))


def flood(client):
    until = None
    while until is None or time.time() < until:
        client.sock.sendall(b"x" * 998 + b"\r\n")
        time.sleep(0.01)
        if until is None and select.select([client.sock], [], [], 0)[0]:
            until = time.time() + 2


def watch(client):
    last = b"(nothing)"
    try:
        if state == "flood":
            flood(client)
        while True:
            line = client.file.readline()
            if not line:
                break
            last = line
    except OSError as error:
        last = str(error).encode()
    note("ended", time.time(), last.decode("ascii", "replace").rstrip())


clients = []
for _ in range(int(sessions)):
    client = smtplib.SMTP("127.0.0.1", int(port), timeout=60)
    client.starttls(context=ssl.create_default_context(cafile=ca))
    client.login(username, secret)
    if state != "idle":
        client.mail(sender)
        client.rcpt("someone@remote.example")
        client.docmd("DATA")
        client.send(f"From: {sender}\r\nSubject: half a message\r\n\r\nthe first half\r\n".encode())
    if client.file is None:
        client.file = client.sock.makefile("rb")
    clients.append(client)
note("ready")
threads = [threading.Thread(target=watch, args=(client,)) for client in clients]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
