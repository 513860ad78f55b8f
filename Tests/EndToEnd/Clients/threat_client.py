"""A client without manners, and the table that the cases of THREATS are entered in."""

import base64
import os
import socket
import ssl
import sys
import threading

section, port, tls_port, ca, username, secret_file, sender, revoked = sys.argv[1:9]
port, tls_port = int(port), int(tls_port)
secret = open(secret_file).read().strip()
domain = sender.split("@")[1]
cases = []
numbers = iter(range(1, 1 << 20))
lock = threading.Lock()


class Wrong(Exception):
    pass


class Closed(Exception):
    pass


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


class Client:
    """A connection; `expect` is how a reply must begin: a code, a code and an enhanced code, or several of them."""

    def __init__(self, implicit=False, greet=True):
        with lock:
            number = next(numbers)
        self.socket = socket.create_connection(
            ("127.0.0.1", tls_port if implicit else port), timeout=40,
            source_address=(f"127.{3 + ord(section[-1]) % 16}.{number // 200}.{1 + number % 200}", 0))
        self.buffer = b""
        if implicit:
            self.wrap()
        if greet:
            self.reply("220")

    def wrap(self, context=None):
        context = context or ssl.create_default_context(cafile=ca)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    def send(self, octets):
        self.socket.sendall(octets if isinstance(octets, bytes) else octets.encode())

    def line(self):
        while b"\r\n" not in self.buffer:
            try:
                more = self.socket.recv(65536)
            except (ConnectionResetError, ssl.SSLError) as error:
                raise Closed(str(error))
            if not more:
                raise Closed(f"closed; {self.buffer!r}")
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        if len(line) > 510:
            raise Wrong(f"a reply line of {len(line)} octets")
        if any(octet > 126 or octet < 32 for octet in line):
            raise Wrong(f"a reply that is not printable ASCII: {line!r}")
        return line.decode()

    def reply(self, *expected):
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        if expected and not any(lines[-1].startswith(one) for one in expected):
            raise Wrong(f"expected {' or '.join(expected)}, got {lines[-1]}")
        return lines

    def say(self, text, *expected):
        self.send(text if isinstance(text, bytes) else text.encode("utf-8"))
        self.send(b"\r\n")
        return self.reply(*expected)

    def closed(self):
        """Nothing more comes but the end."""
        try:
            while True:
                line = self.line()
                raise Wrong(f"expected the end, got {line}")
        except (Closed, OSError):
            return

    def secure(self):
        self.say("EHLO client.example", "250")
        self.say("STARTTLS", "220 2.0.0")
        self.wrap()
        return self.say("EHLO client.example", "250")

    def login(self):
        lines = self.secure()
        self.say("AUTH PLAIN " + b64(f"\0{username}\0{secret}"), "235 2.7.0")
        return lines

    def envelope(self, parameters="", recipient="a@remote.example"):
        self.say(f"MAIL FROM:<{sender}>{parameters}", "250 2.1.0")
        self.say(f"RCPT TO:<{recipient}>", "250 2.1.5")

    def data(self, content, *expected, parameters="", recipient="a@remote.example"):
        """A whole transaction; returns the reply to its content."""
        self.envelope(parameters, recipient)
        self.say("DATA", "354")
        self.send(content)
        return self.reply(*expected)

    def still_works(self):
        """One command, one reply: the stream is in step."""
        self.say("NOOP", "250 2.0.0")
        self.say("VRFY in-step", "252 2.0.0")


def message(subject, body=b"hello\r\n", head=b""):
    return (f"From: <{sender}>\r\nTo: <a@remote.example>\r\nSubject: {subject}\r\n"
            f"Message-ID: <{os.urandom(9).hex()}@threats.example>\r\n").encode() + head + b"\r\n" + body


def case(where, name):
    def add(function):
        cases.append((where, name, function))
        return function
    return add


def refused_content(where, name, content, *expected):
    """A message that is refused at its end, charged and stored nowhere, and leaves the stream in step."""
    def run(token):
        client = Client()
        client.login()
        client.data(content(token) if callable(content) else content, *(expected or ("550 5.6.0",)))
        client.still_works()
        return []
    cases.append((where, name, run))


def taken_content(where, name, content, parameters=""):
    def run(token):
        client = Client()
        client.login()
        client.data(content(token), "250 2.0.0", parameters=parameters)
        client.still_works()
        return [token]
    cases.append((where, name, run))
