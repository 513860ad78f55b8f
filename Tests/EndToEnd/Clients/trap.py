"""A client that walks into the traps other servers have: one of them per run.

usage: trap.py PORT CA USERNAME SECRET_FILE SENDER TRAP [ARGUMENT]

Prints a line of JSON: the last line of each reply that the trap is about.
"""

import base64
import json
import socket
import ssl
import struct
import sys
import threading

port, ca, username, secret_file, sender, trap = sys.argv[1:7]
secret = open(secret_file).read().strip()
argument = sys.argv[7] if len(sys.argv) > 7 else ""


class Client:
    def __init__(self, name=username):
        raw = socket.create_connection(("127.0.0.1", int(port)), timeout=60)
        self.sock, self.file = raw, raw.makefile("rb")
        self.reply()
        self.say("EHLO trap.example")
        self.say("STARTTLS")
        self.sock = ssl.create_default_context(cafile=ca).wrap_socket(raw, server_hostname="localhost")
        self.file = self.sock.makefile("rb")
        self.say("EHLO trap.example")
        word = base64.b64encode(f"\0{name}\0{secret}".encode()).decode()
        self.authenticated = self.say(f"AUTH PLAIN {word}")

    def reply(self):
        line = self.file.readline()
        while line[3:4] == b"-":
            line = self.file.readline()
        return line.decode().rstrip("\r\n")

    def write(self, text):
        self.sock.sendall(text.encode())

    def say(self, line):
        self.write(line + "\r\n")
        return self.reply()

    def open(self, *recipients):
        """MAIL, RCPT and DATA, one after the other; the replies to RCPT and DATA."""
        self.say(f"MAIL FROM:<{sender}>")
        replies = [self.say(f"RCPT TO:<{one}>") for one in recipients]
        return replies + [self.say("DATA")]


def message(number=0, more=""):
    return f"From: <{sender}>\r\nMessage-ID: <trap-{number}@{sender}>\r\n{more}Subject: a trap\r\n\r\ntext\r\n"


if trap == "pipelined":
    # As many recipients as `argument` in one write, and then as many whole messages by BDAT in one write.
    count = int(argument)
    client = Client()
    client.write(f"MAIL FROM:<{sender}>\r\n" + "".join(f"RCPT TO:<p{i}@remote.example>\r\n" for i in range(count)))
    client.reply()
    recipients = [client.reply() for _ in range(count)]
    data = client.say("DATA")
    client.say("RSET")
    chunks = [message(i) for i in range(count)]
    client.write("".join(
        f"MAIL FROM:<{sender}>\r\nRCPT TO:<b{i}@remote.example>\r\nBDAT {len(chunk)} LAST\r\n{chunk}"
        for i, chunk in enumerate(chunks)))
    last = []
    for _ in range(count):
        client.reply()
        client.reply()
        last.append(client.reply())
    print(json.dumps({"recipients": recipients, "data": data, "messages": last}))
elif trap == "crowd":
    # So many sessions stand before the final dot, and send it at once.
    clients = [Client() for _ in range(int(argument))]
    for i, client in enumerate(clients):
        client.open(f"c{i}@remote.example")
        client.write(message(i))
    barrier = threading.Barrier(len(clients))
    replies = [None] * len(clients)

    def end(i):
        barrier.wait()
        replies[i] = clients[i].say(".")

    threads = [threading.Thread(target=end, args=(i,)) for i in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"messages": replies}))
elif trap == "send":
    # To the recipients named, as they stand there, with a Bcc field; `NAME=` in front logs in by another spelling.
    name, recipients = argument.split("=", 1) if "=" in argument else (username, argument)
    client = Client(name)
    recipients = client.open(*recipients.split(" "))
    last = []
    if recipients[-1].startswith("354"):
        client.write(message(1, "Bcc: <hidden@remote.example>, <b@remote.example>\r\n"))
        last.append(client.say("."))
    print(json.dumps({"authenticated": client.authenticated, "recipients": recipients[:-1], "data": recipients[-1],
                      "messages": last}))
elif trap == "gone":
    # The connection is reset behind the final dot: whoever sent it knows nothing.
    client = Client()
    client.open("g@remote.example")
    client.write(message(2) + ".\r\n")
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sock.close()
    client.file.close()
    print(json.dumps({"messages": []}))
elif trap == "again":
    client = Client()
    client.open("g@remote.example")
    client.write(message(2))
    print(json.dumps({"messages": [client.say(".")]}))
