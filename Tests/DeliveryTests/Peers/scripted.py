"""A mail server that misbehaves as it is told.

usage: scripted.py PORT-FILE [STAGE=ANSWER...]

Stages: GREETING, HELLO, STARTTLS, AUTH, RESPONSE, MAIL, RCPT, DATA, FINAL, BDAT, RSET. An answer is text with \\r\\n
written out (the line end is added), several for one stage are given in turn, parted by " / ", the last one again and
again; or @drop, @reset, @long (a line of 1 MB), @endless (continuation lines for ever), @silent, @slow (the usual answer, after half a
second).
WIRE=lmtp answers FINAL for each accepted recipient. CERT=FILE KEY=FILE for STARTTLS, IMPLICIT=1 for TLS first. USER=,
PASSWORD=: checks AUTH PLAIN. What was heard goes to PORT-FILE.log: commands, and contents after a line `content`.
"""

import base64
import os
import socket
import ssl
import struct
import sys
import threading
import time

port_file = sys.argv[1]
told = dict(argument.split("=", 1) for argument in sys.argv[2:])
turns = {}
log = open(port_file + ".log", "ab", buffering=0)
lock = threading.Lock()

usual = {
    "GREETING": "220 mx.example ESMTP",
    "HELLO": "250 mx.example",
    "STARTTLS": "220 2.0.0 go",
    "AUTH": "235 2.7.0 ok",
    "RESPONSE": "235 2.7.0 ok",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go",
    "FINAL": "250 2.0.0 taken",
    "BDAT": "250 2.0.0 taken",
    "RSET": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
}


class Over(Exception):
    pass


class Session:
    def __init__(self, connection):
        self.connection = connection
        self.buffer = b""

    def read_line(self):
        while b"\n" not in self.buffer:
            piece = self.connection.recv(65536)
            if not piece:
                raise Over
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    def read(self, count):
        while len(self.buffer) < count:
            piece = self.connection.recv(65536)
            if not piece:
                raise Over
            self.buffer += piece
        content, self.buffer = self.buffer[:count], self.buffer[count:]
        return content

    def answer(self, stage):
        with lock:
            answers = told.get(stage, usual[stage]).split(" / ")
            turn = turns.get(stage, 0)
            turns[stage] = turn + 1
        text = answers[min(turn, len(answers) - 1)]
        if text == "@drop":
            raise Over
        if text == "@reset":
            # (What was said before is heard first.)
            time.sleep(0.3)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Over
        if text == "@slow":
            time.sleep(0.5)
            text = usual[stage]
        if text == "@silent":
            while True:
                self.read_line()
        if text == "@long":
            self.connection.sendall(b"250-" + b"a" * 1_000_000 + b"\r\n250 ok\r\n")
            return text
        if text == "@endless":
            while True:
                self.connection.sendall(b"250-and more\r\n" * 100)
        self.connection.sendall(text.encode().decode("unicode_escape").encode("latin-1") + b"\r\n")
        return text

    def secure(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(told["CERT"], told["KEY"])
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.buffer = b""
        log.write(b"secured " + self.connection.version().encode() + b"\n")

    def run(self):
        if "IMPLICIT" in told:
            self.secure()
        self.answer("GREETING")
        accepted = 0
        while True:
            line = self.read_line()
            log.write(line + b"\n")
            verb = line.split(b" ")[0].upper().decode("latin-1")
            if verb in ("EHLO", "LHLO", "HELO"):
                self.answer("HELLO")
            elif verb == "STARTTLS":
                if self.answer("STARTTLS").startswith("220"):
                    if "CERT" in told:
                        self.secure()
                    else:
                        raise Over
            elif verb == "AUTH":
                if "USER" in told:
                    expected = f"\0{told['USER']}\0{told['PASSWORD']}".encode()
                    isRight = line == b"AUTH PLAIN " + base64.b64encode(expected)
                    self.connection.sendall(b"235 2.7.0 ok\r\n" if isRight else b"535 5.7.8 no\r\n")
                elif self.answer("AUTH").startswith("334"):
                    log.write(self.read_line() + b"\n")
                    self.answer("RESPONSE")
            elif verb == "MAIL":
                accepted = 0
                self.answer("MAIL")
            elif verb == "RCPT":
                accepted += self.answer("RCPT").startswith("2")
            elif verb == "DATA":
                if not self.answer("DATA").startswith("354"):
                    continue
                content = b""
                while True:
                    text = self.read_line()
                    if text == b".":
                        break
                    content += text + b"\n"
                log.write(b"content\n" + content)
                for _ in range(accepted if told.get("WIRE") == "lmtp" else 1):
                    self.answer("FINAL")
            elif verb == "BDAT":
                log.write(b"content\n" + self.read(int(line.split()[1])) + b"\n")
                self.answer("BDAT")
            elif verb in ("RSET", "QUIT"):
                self.answer(verb)
                if verb == "QUIT":
                    return
            else:
                self.connection.sendall(b"500 5.5.1 what\r\n")


def serve(connection):
    try:
        Session(connection).run()
    except (Over, OSError, ssl.SSLError, ValueError):
        pass
    connection.close()


listener = socket.create_server(("127.0.0.1", int(told.get("PORT", 0))))
with open(port_file + ".new", "w") as file:
    file.write(str(listener.getsockname()[1]))
os.rename(port_file + ".new", port_file)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
