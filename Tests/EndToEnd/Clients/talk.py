"""One session, led by hand: each line of the standard input is sent, and the reply printed as a line.

usage: talk.py PORT CA USERNAME SECRET_FILE

Prints what AUTH PLAIN was answered first. A line that begins with `>` is sent without it, and no reply is waited for.
`closed` is what the end of the connection looks like, `error: …` what any other looks like.
"""

import base64
import socket
import ssl
import sys

port, ca, username, secret_file = sys.argv[1:]
secret = open(secret_file).read().strip()
plain = socket.create_connection(("127.0.0.1", int(port)), timeout=120)
context = ssl.create_default_context(cafile=ca)


def reply(file):
    lines = []
    try:
        while True:
            line = file.readline()
            if not line:
                return " | ".join(lines + ["closed"])
            lines.append(line.decode("ascii", "replace").rstrip())
            if line[3:4] != b"-":
                return " | ".join(lines)
    except OSError as error:
        return f"error: {error}"


file = plain.makefile("rb")
reply(file)
for line in ["EHLO client.example", "STARTTLS"]:
    plain.sendall(line.encode() + b"\r\n")
    reply(file)
tls = context.wrap_socket(plain, server_hostname="localhost")
file = tls.makefile("rb")
tls.sendall(b"EHLO client.example\r\n")
reply(file)
tls.sendall(b"AUTH PLAIN " + base64.b64encode(f"\0{username}\0{secret}".encode()) + b"\r\n")
print(reply(file), flush=True)
for line in sys.stdin:
    line = line.rstrip("\n")
    if line.startswith(">"):
        tls.sendall(line[1:].encode() + b"\r\n")
        continue
    if line != "?":
        tls.sendall(line.encode() + b"\r\n")
    print(reply(file), flush=True)
