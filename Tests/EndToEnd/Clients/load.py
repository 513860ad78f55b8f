"""Submits messages over many sessions and journals what was heard, before it counts.

usage: load.py JOURNAL CA USERNAME SECRET_FILE SESSIONS MESSAGES SECONDS SENDER PORT...

Each message carries a token of its own. The journal has one line per event, flushed to the disk's cache at once:
    try TOKEN                 about to send the final dot
    ack TOKEN ID              250, queued as ID
    refused TOKEN CODE TEXT   any other reply
    unknown TOKEN             the connection ended without a reply
A line `done` ends a journal whose client came to its end by itself. If JOURNAL.go is there at the start, the load
ends when that file goes.
"""

import os
import smtplib
import ssl
import sys
import threading
import time
import uuid

journal_path, ca, username, secret_file, sessions, messages, seconds, sender = sys.argv[1:9]
ports = [int(port) for port in sys.argv[9:]]
secret = open(secret_file).read().strip()
deadline = time.monotonic() + float(seconds)
lock = threading.Lock()
journal = os.open(journal_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
left = int(messages)


def note(*words):
    line = " ".join(str(word) for word in words).replace("\n", " ") + "\n"
    os.write(journal, line.encode("ascii", "replace"))


go = journal_path + ".go"
is_gated = os.path.exists(go)


def take():
    global left
    with lock:
        if left <= 0 or is_gated and not os.path.exists(go):
            return False
        left -= 1
        return True


def connect(number):
    """A session with any of the servers, however often they go away, until the deadline."""
    tls = ssl.create_default_context(cafile=ca)
    attempt = number
    while time.monotonic() < deadline:
        attempt += 1
        try:
            client = smtplib.SMTP("127.0.0.1", ports[attempt % len(ports)], timeout=90)
            client.starttls(context=tls)
            client.ehlo()
            client.user, client.password = username, secret
            client.auth("PLAIN", client.auth_plain)
            return client
        except (OSError, smtplib.SMTPException):
            time.sleep(0.1)
    return None


def send(client, token):
    code, text = client.mail(sender)
    if code != 250:
        return code, text
    code, text = client.rcpt(f"{token}@remote.example")
    if code != 250:
        client.rset()
        return code, text
    body = (
        f"From: <{sender}>\r\nTo: <{token}@remote.example>\r\nMessage-ID: <{token}@load.example>\r\n"
        f"Subject: {token}\r\n\r\n" + "x" * 400 + "\r\n"
    )
    note("try", token)
    code, text = client.data(body)
    return code, text


def run(number):
    client = None
    while time.monotonic() < deadline and take():
        if client is None:
            client = connect(number)
            if client is None:
                return
        token = uuid.uuid4().hex
        try:
            code, text = send(client, token)
        except (OSError, smtplib.SMTPException) as error:
            if isinstance(error, smtplib.SMTPDataError):
                # smtplib leaves the transaction open after a DATA that is refused.
                note("refused", token, error.smtp_code, error.smtp_error.decode("ascii", "replace"))
                try:
                    client.rset()
                except (OSError, smtplib.SMTPException):
                    client.close()
                    client = None
                continue
            note("unknown", token)
            client.close()
            client = None
            continue
        text = text.decode("ascii", "replace")
        if code == 250:
            note("ack", token, text.rsplit(" ", 1)[-1])
        else:
            note("refused", token, code, text)
            if code == 421:
                client.close()
                client = None
    if client is not None:
        try:
            client.quit()
        except (OSError, smtplib.SMTPException):
            pass


threads = [threading.Thread(target=run, args=(number,)) for number in range(int(sessions))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
note("done")
