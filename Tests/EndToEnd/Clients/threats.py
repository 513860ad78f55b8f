"""THREATS on the wire: what hostile and broken clients send, and what must be answered.

usage: threats.py SECTION PORT TLS_PORT CA USERNAME SECRET_FILE SENDER REVOKED_USERNAME

Runs the cases of one section (§1 … §6), each over a connection of its own from a loopback address of its own, and
prints a JSON line for each: its row, whether the answer was right, what was wrong, and the subjects of the messages
that it had accepted. Whatever else is stored afterwards should not be.
"""

import base64
import concurrent.futures
import hashlib
import hmac
import json
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
        self.accepted = []
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


# §1 Framing and smuggling ------------------------------------------------------------------------------------------

SMUGGLED = b"MAIL FROM:<" + sender.encode() + b">\r\nRCPT TO:<victim@remote.example>\r\nDATA\r\n" \
    + b"Subject: smuggled\r\n\r\nx"
for shape in [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\n", b"\n.\r", b"\r\n.\r", b"\r.\r\n"]:
    refused_content(
        "§1 not an end", repr(shape),
        lambda token, shape=shape: message(token, b"x" + shape + SMUGGLED + b"\r\n.\r\n"))
for shape in [b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n\r.\r\n", b"\r\n.\r\r\n"]:
    refused_content(
        "§1 content, not an end", repr(shape), lambda token, shape=shape: message(token, b"x" + shape + b"y\r\n.\r\n"))
taken_content("§1 content, not an end", "CRLF . SP CRLF", lambda token: message(token, b"x\r\n. \r\ny\r\n.\r\n"))
refused_content("§1 bare LF", "in the header", lambda token: message(token, b"x\r\n.\r\n", b"X-A: b\nX-B: c\r\n"))
refused_content("§1 bare CR", "in the body", lambda token: message(token, b"x\ry\r\n.\r\n"))


@case("§1 lone dots in BDAT", "a dot is data, and an end without CRLF is one")
def _(token):
    client = Client()
    client.login()
    client.envelope()
    content = message(token, b".\r\n..\r\nend")
    client.send(f"BDAT {len(content)} LAST\r\n".encode() + content)
    client.reply("250 2.0.0")
    client.still_works()
    return [token]


for name, line in [("bare LF", b"NOOP\nNOOP\r\n"), ("bare CR", b"NOOP\rNOOP\r\n"), ("NUL", b"NO\0OP\r\n"),
                   ("control", b"NO\x07OP\r\n"), ("8-bit", b"NO\xffOP\r\n")]:
    @case("§1 octets in a command", name)
    def _(token, line=line):
        client = Client()
        client.login()
        client.send(line)
        client.reply("500 5.5.2", "501 5.5.2")
        client.still_works()


@case("§1 long command", "2,049 octets: refused, and in step")
def _(token):
    client = Client()
    client.login()
    client.say("NOOP " + "x" * 2100, "500 5.5.2")
    client.still_works()


for is_authenticated in [False, True]:
    @case("§1 long command", f"64 KiB without an end, {'after' if is_authenticated else 'before'} AUTH")
    def _(token, is_authenticated=is_authenticated):
        client = Client()
        if is_authenticated:
            client.login()
        try:
            client.send(b"x" * (80 << 10))
        except OSError:
            return
        client.reply("421 4.7.0")
        client.closed()


@case("§1 long text line", "2,000 octets: taken unchanged or refused, and in step")
def _(token):
    client = Client()
    client.login()
    reply = client.data(message(token, b"x" * 2000 + b"\r\n.\r\n"), "250 2.0.0", "554 5.6.0")
    client.still_works()
    return [token] if reply[0].startswith("250") else []


@case("§1 every split", "octet by octet, and all in one write")
def _(token):
    commands = (f"MAIL FROM:<{sender}>\r\nRCPT TO:<a@remote.example>\r\nDATA\r\n").encode()
    heard = []
    for is_split in [True, False]:
        client = Client()
        client.login()
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        content = message(f"{token}", b"..\r\n..x\r\nend\r\n.\r\n")
        for part in [commands, content]:
            if is_split:
                for octet in part:
                    client.send(bytes([octet]))
            else:
                client.send(part)
            if part is commands:
                heard.append([client.reply()[0][:9] for _ in range(3)])
            else:
                heard.append([client.reply("250 2.0.0")[0][:9]])
        client.still_works()
    if heard[:2] != heard[2:]:
        raise Wrong(f"{heard}")
    return [token, token]


# §2 TLS and STARTTLS -----------------------------------------------------------------------------------------------

@case("§2 commands behind STARTTLS", "nothing said in the clear is acted on inside TLS")
def _(token):
    client = Client()
    client.say("EHLO client.example", "250")
    client.send(b"STARTTLS\r\nEHLO injected.example\r\nNOOP\r\n")
    try:
        lines = client.reply("220", "554")
        if lines[0].startswith("220"):
            client.wrap()
            client.say("RSET", "250", "503")
            client.still_works()
    except (Closed, ssl.SSLError, OSError):
        pass


@case("§2 STARTTLS", "with an argument, inside TLS; what is behind a refused one is answered in order")
def _(token):
    client = Client()
    client.say("EHLO client.example", "250")
    client.send(b"STARTTLS now\r\nNOOP\r\n")
    client.reply("501 5.5.4")
    client.reply("250 2.0.0")
    lines = client.secure()
    if any("STARTTLS" in line for line in lines):
        raise Wrong("STARTTLS is offered inside TLS")
    client.say("STARTTLS", "503 5.5.1")


for verb in ["MAIL FROM:<a@b.example>", "RCPT TO:<a@b.example>", "DATA", "VRFY a", "EXPN a", "BDAT 0 LAST"]:
    @case("§2 before TLS", verb)
    def _(token, verb=verb):
        client = Client()
        client.say("EHLO client.example", "250")
        client.say(verb, "530 5.7.0")


@case("§2 before TLS", "NOOP, HELO, RSET, HELP, EHLO and QUIT are served; AUTH is not offered")
def _(token):
    client = Client()
    client.say("NOOP", "250")
    client.say("HELO client.example", "250")
    client.say("RSET", "250")
    client.say("HELP", "214")
    if any("AUTH" in line for line in client.say("EHLO client.example", "250")):
        raise Wrong("AUTH is offered in the clear")
    client.say("QUIT", "221")
    client.closed()


@case("§2 after TLS", "EHLO from before does not count")
def _(token):
    client = Client()
    client.say("EHLO client.example", "250")
    client.say("STARTTLS", "220")
    client.wrap()
    client.say(f"MAIL FROM:<{sender}>", "503 5.5.1", "530")


@case("§2 clear text on 465", "one sentence that names 587, nothing else")
def _(token):
    client = Client.__new__(Client)
    client.socket = socket.create_connection(("127.0.0.1", tls_port), timeout=40, source_address=("127.15.0.1", 0))
    client.buffer = b""
    client.send("EHLO client.example\r\n")
    line = client.reply("554 5.5.1")[0]
    if "587" not in line and "STARTTLS" not in line:
        raise Wrong(line)
    client.closed()


@case("§2 clear text on 465", "also when the client waits for a greeting")
def _(token):
    client = Client.__new__(Client)
    client.socket = socket.create_connection(("127.0.0.1", tls_port), timeout=40, source_address=("127.15.0.2", 0))
    client.buffer = b""
    line = client.reply("554 5.5.1")[0]
    if "587" not in line and "STARTTLS" not in line:
        raise Wrong(line)
    client.closed()


@case("§2 TLS hello on 587", "closed, without an answer in clear that it would take for TLS")
def _(token):
    client = Client(greet=False)
    client.reply("220")
    try:
        client.wrap()
        raise Wrong("TLS came up")
    except (ssl.SSLError, OSError):
        pass


for line in ["GET / HTTP/1.1", "POST /x HTTP/1.0", "CONNECT a:25 HTTP/1.1", "Host: gate.example"]:
    @case("§2 HTTP", line)
    def _(token, line=line):
        client = Client()
        client.say(line, "421 4.7.0")
        client.closed()


def hello(context, *expected):
    client = Client()
    client.say("EHLO client.example", "250")
    client.say("STARTTLS", "220")
    try:
        client.wrap(context)
        client.say("EHLO client.example", "250")
    except (ssl.SSLError, Closed, OSError):
        return False
    return True


for name, version in [("TLS 1.0", ssl.TLSVersion.TLSv1), ("TLS 1.1", ssl.TLSVersion.TLSv1_1)]:
    @case("§2 old TLS", name)
    def _(token, version=version):
        context = ssl.create_default_context(cafile=ca)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        if hello(context):
            raise Wrong("the handshake succeeded")


for ciphers in ["NULL:@SECLEVEL=0", "RC4:@SECLEVEL=0", "EXPORT:@SECLEVEL=0", "aNULL:@SECLEVEL=0"]:
    @case("§2 weak ciphers", ciphers)
    def _(token, ciphers=ciphers):
        context = ssl.create_default_context(cafile=ca)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.set_ciphers(ciphers)
        except ssl.SSLError:
            return  # this machine's own library does not know them any more
        if hello(context):
            raise Wrong("the handshake succeeded")


for protocols, is_right in [(["h2"], False), (["http/1.1", "imap"], False), (["smtp"], True)]:
    @case("§2 ALPN", ",".join(protocols))
    def _(token, protocols=protocols, is_right=is_right):
        context = ssl.create_default_context(cafile=ca)
        context.set_alpn_protocols(protocols)
        if hello(context) != is_right:
            raise Wrong("the handshake " + ("failed" if is_right else "succeeded"))


@case("§2 half a handshake", "closed at the deadline")
def _(token):
    client = Client()
    client.say("EHLO client.example", "250")
    client.say("STARTTLS", "220")
    client.send(b"\x16\x03\x01\x02\x00\x01")
    try:
        while client.socket.recv(4096):
            pass
    except TimeoutError:
        raise Wrong("still open after 40 s")
    except OSError:
        pass


@case("§2 truncation", "closed without close_notify in DATA: discarded")
def _(token):
    client = Client()
    client.login()
    client.envelope()
    client.say("DATA", "354")
    client.send(message(token, b"x\r\n.\r"))
    os.close(client.socket.detach())


# §3 AUTH -----------------------------------------------------------------------------------------------------------

def auth(client, mechanism, initial, *expected):
    return client.say(f"AUTH {mechanism} {initial}", *expected)


@case("§3 before TLS", "AUTH is refused before a password is asked for")
def _(token):
    client = Client()
    client.say("EHLO client.example", "250")
    client.say("AUTH LOGIN", "538 5.7.11", "530 5.7.0")
    client.say("AUTH PLAIN " + b64(f"\0{username}\0{secret}"), "538 5.7.11", "530 5.7.0")


@case("§3 order", "again after success, inside a transaction, before EHLO, unknown, none")
def _(token):
    client = Client()
    client.login()
    client.say("AUTH PLAIN " + b64(f"\0{username}\0{secret}"), "503 5.5.1")
    client.say(f"MAIL FROM:<{sender}>", "250")
    client.say("AUTH LOGIN", "503 5.5.1")
    client = Client()
    client.say("EHLO client.example", "250")
    client.say("STARTTLS", "220")
    client.wrap()
    client.say("AUTH LOGIN", "503 5.5.1")
    client.say("EHLO client.example", "250")
    client.say("AUTH CRAM-MD5", "504 5.5.4")
    client.say("AUTH", "501 5.5.4")


@case("§3 cancelled", "* is 501, and the next line is a command")
def _(token):
    client = Client()
    client.secure()
    client.say("AUTH LOGIN", "334")
    client.say("*", "501 5.7.0")
    client.say("NOOP", "250")


for text in ["=AAA", "AAA=BBB", "QQ", "Q Q=", "!!!!", "QUJD=", "====", "QQ==QQ=="]:
    @case("§3 bad base64", text)
    def _(token, text=text):
        client = Client()
        client.secure()
        client.say("AUTH PLAIN", "334")
        client.say(text, "501 5.5.2")
        client.say("NOOP", "250")
        client.say("AUTH PLAIN " + text, "501 5.5.2", "501 5.5.4")
        client.say("NOOP", "250")


@case("§3 long response", "over 12,288 octets: 500, and in step")
def _(token):
    client = Client()
    client.secure()
    client.say("AUTH PLAIN", "334")
    client.say("A" * 13000, "500 5.5.6")
    client.say("NOOP", "250")


for name, octets in [
    ("no NUL", f"{username}{secret}"), ("one NUL", f"{username}\0{secret}"), ("three NULs", f"\0{username}\0{secret}\0"),
    ("empty user", f"\0\0{secret}"), ("empty secret", f"\0{username}\0"), ("NUL in the secret", f"\0{username}\0{secret}\0x"),
    ("CR LF in the secret", f"\0{username}\0{secret}\r\n"), ("another authzid", f"other\0{username}\0{secret}"),
    ("authzid with a blank", f"{username} \0{username}\0{secret}"), ("a realm", f"\0{username}@realm\0{secret}"),
    ("10 KB", "\0" + "u" * 8000 + f"\0{secret}"), ("wildcards", f"\0%\0{secret}"), ("a quote", f"\0'{username}\0{secret}"),
]:
    @case("§3 PLAIN", name)
    def _(token, octets=octets):
        client = Client()
        client.secure()
        client.say("AUTH PLAIN", "334")
        client.say(b64(octets), "535 5.7.8", "501 5.5.2")
        client.say("NOOP", "250")


@case("§3 PLAIN", "= is an empty response")
def _(token):
    client = Client()
    client.secure()
    client.say("AUTH PLAIN =", "535 5.7.8", "501")
    client.say("NOOP", "250")


@case("§3 no enumeration", "an unknown user, a wrong secret and a revoked credential read the same")
def _(token):
    heard = set()
    for user in ["nobody.here", username, revoked]:
        client = Client()
        client.secure()
        heard.add(client.say("AUTH PLAIN " + b64(f"\0{user}\0gp_wrong"), "535 5.7.8")[0])
        scram = Scram(client, user, "gp_wrong")
        heard.add(scram.run("535 5.7.8")[0])
    if len(heard) != 1:
        raise Wrong(f"{heard}")


class Scram:
    """RFC 5802, with what can be got wrong in it as parameters."""

    def __init__(self, client, user, password):
        self.client, self.user, self.password = client, user, password

    def run(self, *expected, mechanism="SCRAM-SHA-256", header="n,,", nonce=None, extra="", tamper=None, final=True,
            attribute=""):
        nonce = b64(os.urandom(18)) if nonce is None else nonce
        first = f"{attribute}n={self.user},r={nonce}"
        line = self.client.say(f"AUTH {mechanism} " + b64(header + first))[-1]
        if not line.startswith("334 "):
            if any(line.startswith(one) for one in expected):
                return [line]
            raise Wrong(f"expected {expected}, got {line}")
        challenge = base64.b64decode(line[4:]).decode()
        parts = dict(item.split("=", 1) for item in challenge.split(","))
        if len(parts["r"]) < len(nonce) + 24 or not parts["r"].startswith(nonce):
            raise Wrong(f"a server nonce of {len(parts['r']) - len(nonce)} characters")
        salted = hashlib.pbkdf2_hmac(
            "sha256", self.password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
        answer_nonce = parts["r"] if tamper is None else tamper(parts["r"], nonce)
        without = f"c={b64(header)},r={answer_nonce}{extra}"
        key = hmac.digest(salted, b"Client Key", "sha256")
        stored = hashlib.sha256(key).digest()
        signature = hmac.digest(stored, f"{first},{challenge},{without}".encode(), "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature))
        line = self.client.say(b64(without + ",p=" + b64(proof)))
        if line[-1].startswith("334 ") and final:
            self.client.reply
            return self.client.say("", *expected)
        if expected and not any(line[-1].startswith(one) for one in expected):
            raise Wrong(f"expected {expected}, got {line[-1]}")
        return line


@case("§3 SCRAM", "the honest exchange: 235 only after the empty line")
def _(token):
    client = Client()
    client.secure()
    Scram(client, username, secret).run("235 2.7.0")


for name, options in [
    ("a nonce not ours", {"tamper": lambda ours, _: "x" + ours[1:]}),
    ("a nonce shortened", {"tamper": lambda ours, _: ours[:-1]}),
    ("only the client's nonce", {"tamper": lambda _, nonce: nonce}),
    ("an empty client nonce", {"nonce": ""}),
    ("m= first", {"attribute": "m=x,"}),
    ("flag y while -PLUS is offered", {"header": "y,,"}),
    ("p= in the plain mechanism", {"header": "p=tls-exporter,,"}),
    ("another identity in a=", {"header": "n,a=other,"}),
    ("n under -PLUS", {"mechanism": "SCRAM-SHA-256-PLUS"}),
    ("y under -PLUS", {"mechanism": "SCRAM-SHA-256-PLUS", "header": "y,,"}),
    ("tls-unique on TLS 1.3", {"mechanism": "SCRAM-SHA-256-PLUS", "header": "p=tls-unique,,"}),
    ("a binding of nothing", {"mechanism": "SCRAM-SHA-256-PLUS", "header": "p=tls-exporter,,"}),
]:
    @case("§3 SCRAM", name)
    def _(token, options=options):
        client = Client()
        client.secure()
        Scram(client, username, secret).run("535 5.7.8", "501", **options)
        client.say("NOOP", "250")


@case("§3 guessing", "three are answered on a connection; it ends before long")
def _(token):
    client = Client()
    client.secure()
    for attempt in range(1, 40):
        client.send("AUTH PLAIN " + b64(f"\0{username}\0wrong{attempt}") + "\r\n")
        reply = client.reply("535 5.7.8", "421 4.7.0")
        if reply[0].startswith("421"):
            if attempt <= 3:
                raise Wrong(f"421 at failure {attempt}")
            return client.closed()
        if attempt >= 3:
            try:
                client.socket.settimeout(0.2)
                client.buffer += client.socket.recv(4096) or b""
                client.socket.settimeout(40)
                if client.buffer.startswith(b"421 4.7.0"):
                    return
            except (TimeoutError, ssl.SSLError):
                client.socket.settimeout(40)
    raise Wrong("nobody ends it")


# §4 Command order, pipelining, BDAT ------------------------------------------------------------------------------

@case("§4 order", "MAIL before EHLO, RCPT before MAIL, DATA before RCPT, nested MAIL")
def _(token):
    client = Client(implicit=True)
    client.say(f"MAIL FROM:<{sender}>", "503 5.5.1", "530")
    client.say("EHLO client.example", "250")
    client.say("AUTH PLAIN " + b64(f"\0{username}\0{secret}"), "235")
    client.say("RCPT TO:<a@remote.example>", "503 5.5.1")
    client.say("DATA", "503 5.5.1", "554 5.5.1")
    client.say(f"MAIL FROM:<{sender}>", "250")
    client.say("DATA", "503 5.5.1", "554 5.5.1")
    client.say(f"MAIL FROM:<{sender}>", "503 5.5.1")
    client.say("RCPT TO:<a@remote.example>", "250")
    client.say("RSET", "250")


for verb in ["MAIL FROM:<a@b.example>", "RCPT TO:<a@b.example>", "DATA", "VRFY a", "EXPN a", "BDAT 3 LAST\r\nabc"]:
    @case("§4 before AUTH", verb.split("\r")[0])
    def _(token, verb=verb):
        client = Client()
        client.secure()
        client.say(verb, "530 5.7.0")


@case("§4 all RCPT refused, pipelined", "the message's lines are commands, and none of them sends mail")
def _(token):
    client = Client()
    client.login()
    client.send(f"MAIL FROM:<{sender}>\r\nRCPT TO:<a@>\r\nDATA\r\n".encode() + message(token, b"x\r\n.\r\n") + b"QUIT\r\n")
    client.reply("250")
    client.reply("501 5.1.3")
    client.reply("503 5.5.1", "554 5.5.1")
    try:
        while True:
            line = client.reply()[0]
            if line.startswith("250 2.0.0 Ok") or line.startswith("354"):
                raise Wrong(line)
            if line.startswith("221"):
                break
    except Closed:
        pass


@case("§4 some RCPT refused", "the message goes to the others")
def _(token):
    client = Client()
    client.login()
    client.say(f"MAIL FROM:<{sender}>", "250")
    client.say("RCPT TO:<a@>", "501 5.1.3")
    client.say("RCPT TO:<a@remote.example>", "250")
    client.say("DATA", "354")
    client.send(message(token, b"x\r\n.\r\n"))
    client.reply("250 2.0.0")
    return [token]


@case("§4 talk before the greeting", "refused, or ignored")
def _(token):
    client = Client(greet=False)
    client.send("EHLO early.example\r\n")
    try:
        client.reply("554 5.5.0", "220")
    except Closed:
        pass


@case("§4 10,000 NOOPs and no reply read", "the server stays")
def _(token):
    client = Client()
    client.login()
    client.socket.settimeout(3)
    try:
        for _ in range(100):
            client.send(b"NOOP\r\n" * 100)
    except OSError:
        pass
    other = Client()
    other.login()
    other.still_works()


for argument in ["", "abc", "-1", "0x10", "12345678901234567890", "5 LST", "5 LAST x", "5LAST"]:
    @case("§4 BDAT", f"size or mark malformed: {argument or 'none'}")
    def _(token, argument=argument):
        client = Client()
        client.login()
        client.envelope()
        client.say(f"BDAT {argument}", "501 5.5.4")
        client.closed()


@case("§4 BDAT", "without MAIL: exactly so many octets are swallowed")
def _(token):
    client = Client()
    client.login()
    client.say("BDAT 12 LAST\r\nQUIT\r\nQUIT", "503 5.5.1")
    client.still_works()


@case("§4 BDAT", "over the limit: swallowed, 552, and the rest 503 until RSET")
def _(token):
    client = Client()
    client.login()
    client.envelope()
    size = 27 << 20
    client.send(f"BDAT {size}\r\n".encode())
    for _ in range(27):
        client.send(b"x" * (1 << 20))
    client.reply("552 5.3.4")
    client.say("BDAT 4 LAST\r\nQUIT", "503 5.5.1", "552 5.3.4")
    client.say("RSET", "250")
    client.envelope()
    client.say("RSET", "250")


@case("§4 BDAT", "MAIL, RCPT and DATA between chunks, BDAT after LAST, RSET between chunks")
def _(token):
    client = Client()
    client.login()
    client.envelope()
    content = message(token)
    client.say(f"BDAT 4\r\n{content[:4].decode()}", "250")
    client.say(f"MAIL FROM:<{sender}>", "503 5.5.1")
    client.say("RCPT TO:<b@remote.example>", "503 5.5.1")
    client.say("DATA", "503 5.5.1")
    client.send(f"BDAT {len(content) - 4} LAST\r\n".encode() + content[4:])
    client.reply("250 2.0.0")
    client.send(b"BDAT 3 LAST\r\nabc")
    client.reply("503 5.5.1")
    client.envelope()
    client.say("BDAT 4\r\nabcd", "250")
    client.say("RSET", "250")
    client.still_works()
    return [token]


@case("§4 BDAT", "DATA after BODY=BINARYMIME")
def _(token):
    client = Client()
    client.login()
    client.envelope(" BODY=BINARYMIME")
    client.say("DATA", "503 5.5.1")
    client.still_works()


@case("§4 BDAT", "0 LAST first: an empty message")
def _(token):
    client = Client()
    client.login()
    client.envelope()
    client.say("BDAT 0 LAST", "554 5.6.0")
    client.still_works()


@case("§4 BDAT", "100,000 chunks of one octet")
def _(token):
    client = Client()
    client.login()
    client.envelope()
    content = message(token, b"x" * 900 + b"\r\n")
    content += (b"y" * 98 + b"\r\n") * ((100_000 - len(content)) // 100)

    def read():
        for _ in range(len(content)):
            client.reply("250 2.0.0")

    reader = threading.Thread(target=read)
    reader.start()
    block = b"".join(b"BDAT 1\r\n" + bytes([octet]) for octet in content)
    client.send(block)
    reader.join(60)
    if reader.is_alive():
        raise Wrong("no replies within a minute")
    client.say("BDAT 0 LAST", "250 2.0.0")
    return [token]


@case("§4 BINARYMIME", "NUL, bare CR and bare LF in the body")
def _(token):
    client = Client()
    client.login()
    client.envelope(" BODY=BINARYMIME")
    head = b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n"
    content = message(token, b"\0\r\n\n\r\xff", head)
    client.send(f"BDAT {len(content)} LAST\r\n".encode() + content)
    client.reply("250 2.0.0")
    return [token]


@case("§4 errors", "20 unknown commands end it")
def _(token):
    client = Client()
    client.login()
    for _ in range(30):
        if client.say("XYZZY", "500 5.5.2", "421 4.7.0")[0].startswith("421"):
            return client.closed()
    raise Wrong("still open after 30 errors")


@case("§4 errors", "100 idle commands end it")
def _(token):
    client = Client()
    client.login()
    for _ in range(150):
        if client.say("NOOP", "250", "421 4.7.0")[0].startswith("421"):
            return client.closed()
    raise Wrong("still open after 150 idle commands")


@case("§4 VRFY and its kin", "tell nothing")
def _(token):
    client = Client()
    client.login()
    if len({client.say("VRFY " + who, "252 2.0.0")[0] for who in ["root", "nobody", f"{sender}"]}) != 1:
        raise Wrong("VRFY differs")
    for verb in ["EXPN staff", "ETRN x.example", "TURN"]:
        client.say(verb, "502 5.5.1")
    client.say("HELP", "214 2.0.0")


# §5 Envelope -------------------------------------------------------------------------------------------------------

def rcpt(where, name, path, *expected, mail="", stored=False):
    def run(token):
        client = Client()
        client.login()
        client.say(f"MAIL FROM:<{sender}>{mail}", "250")
        client.send(path if isinstance(path, bytes) else ("RCPT TO:" + path).encode("utf-8"))
        client.send(b"\r\n")
        client.reply(*expected)
        if not stored:
            client.say("RSET", "250")
            client.still_works()
            return []
        client.say("DATA", "354")
        client.send(message(token, b"x\r\n.\r\n"))
        client.reply("250 2.0.0")
        return [token]
    cases.append((where, name, run))


for path in ["<a%b@remote.example>", "<b!a@remote.example>", '<"a@b"@remote.example>', '<"a%b"@remote.example>']:
    rcpt("§5 old routes are local parts", path, path, "250 2.1.5", stored=True)
rcpt("§5 source route", "dropped or refused", "<@x.example,@y.example:a@remote.example>", "250 2.1.5", "553 5.1.3")
for path in ["<a@>", "<@remote.example>", "<a@b..c>", "<a@-b.example>", "<a@b.example.>", "< a@b.example>",
             "a@b.example", "<a@b.example", "<a b@c.example>", "<>", ""]:
    rcpt("§5 illegal path", path or "none", path, "501 5.1.3", "550 5.1.1")
rcpt("§5 no domain", "Postmaster", "<Postmaster>", "550 5.1.1", "250")
rcpt("§5 lengths", "local part of 65", "<" + "a" * 65 + "@remote.example>", "501 5.1.3")
rcpt("§5 lengths", "label of 64", "<a@" + "b" * 64 + ".example>", "501 5.1.3")
rcpt("§5 lengths", "path over 256", "<a@" + ".".join(["b" * 60] * 5) + ">", "501 5.1.3")
for path in ["<a@[127.0.0.1]>", "<a@[IPv6:::1]>", "<a@127.0.0.1>"]:
    rcpt("§5 address literal", path, path, "550 5.1.2")
rcpt("§5 8-bit", "without SMTPUTF8", "<ü@remote.example>", "553 5.6.7")
rcpt("§5 8-bit", "with SMTPUTF8", "<ü@remote.example>", "250 2.1.5", mail=" SMTPUTF8")
for name, octets in [("overlong", b"\xc0\xaf"), ("a surrogate", b"\xed\xa0\x80"), ("not UTF-8", b"\xff\xfe"),
                     ("bidi control", "\u202e".encode()), ("not NFC", "u\u0308".encode()), ("C1 control", b"\xc2\x85")]:
    rcpt("§5 UTF-8", name, b"RCPT TO:<a" + octets + b"@remote.example>", "501 5.5.2", "501 5.1.3", "553 5.6.7",
         "553 5.1.3", "500 5.5.2", mail=" SMTPUTF8")
rcpt("§5 parameters", "unknown", "<a@remote.example> FOO=bar", "555 5.5.4")
for parameters in ["NOTIFY=NEVER,SUCCESS", "NOTIFY=", "NOTIFY=FOO", "NOTIFY=FAILURE NOTIFY=DELAY", "ORCPT=a@b.example",
                   "ORCPT=rfc822;a+0", "ORCPT=rfc822;a+0D+0Ab", "ORCPT=rfc822;" + "a" * 520]:
    rcpt("§5 parameters", parameters[:40], "<a@remote.example> " + parameters, "501 5.5.4")


def mail(where, name, argument, *expected):
    def run(token):
        client = Client()
        client.login()
        client.say("MAIL FROM:" + argument, *expected)
        client.say("RSET", "250")
        client.still_works()
    cases.append((where, name, run))


for name, argument in [("another domain", "<a@other.example>"), ("a sub-domain", f"<a@sub.{domain}>"),
                       ("a look-alike", f"<a@{domain}x>"), ("a longer one", f"<a@x{domain}>")]:
    mail("§5 sender domain", name, argument, "550 5.7.1")
mail("§5 null sender", "not allowed by default", "<>", "550 5.7.1")
mail("§5 8-bit sender", "without SMTPUTF8", f"<ü@{domain}>", "550 5.6.7")
mail("§5 8-bit sender", "with it", f"<ü@{domain}> SMTPUTF8", "250 2.1.0")
mail("§5 SIZE", "over the limit", f"<{sender}> SIZE=999999999", "552 5.3.4")
mail("§5 SIZE", "21 digits", f"<{sender}> SIZE=" + "9" * 21, "501 5.5.4")
mail("§5 SIZE", "not a number", f"<{sender}> SIZE=x", "501 5.5.4")
mail("§5 parameters", "unknown", f"<{sender}> FOO=bar", "555 5.5.4")
mail("§5 REQUIRETLS", "not offered, so unknown", f"<{sender}> REQUIRETLS", "555 5.5.4")
for parameters in ["BODY=9BIT", "BODY=8BITMIME BODY=7BIT", "RET=ALL", "RET=FULL RET=HDRS", "ENVID=" + "a" * 120,
                   "ENVID=a+0D+0Ab", "ENVID=a+x", "SMTPUTF8=yes", "AUTH=not-a-mailbox"]:
    mail("§5 parameters", parameters[:30], f"<{sender}> {parameters}", "501 5.5.4")
mail("§5 AUTH=", "another identity is heard and means nothing", f"<{sender}> AUTH=boss@other.example", "250 2.1.0")
mail("§5 DSN", "ENVID and RET", f"<{sender}> RET=HDRS ENVID=QQ314159", "250 2.1.0")


@case("§5 SIZE", "a lie: 552 after the data, and in step")
def _(token):
    client = Client()
    client.login()
    client.envelope(" SIZE=100")
    client.say("DATA", "354")
    client.send(message(token, (b"x" * 998 + b"\r\n") * 28_000 + b".\r\n"))
    client.reply("552 5.3.4")
    client.still_works()


@case("§5 too many recipients", "452 4.5.3 for the next, the others stand")
def _(token):
    client = Client()
    client.login()
    client.say(f"MAIL FROM:<{sender}>", "250")
    for number in range(100):
        client.say(f"RCPT TO:<r{number}@remote.example>", "250 2.1.5")
    client.say("RCPT TO:<one@remote.example>", "452 4.5.3")
    client.say("RSET", "250")


@case("§5 the same recipient 200 times", "250 each time, and one recipient")
def _(token):
    client = Client()
    client.login()
    client.say(f"MAIL FROM:<{sender}>", "250")
    client.send(b"RCPT TO:<a@remote.example>\r\n" * 200)
    for _ in range(200):
        client.reply("250 2.1.5")
    client.say("DATA", "354")
    client.send(message(token, b"x\r\n.\r\n"))
    client.reply("250 2.0.0")
    return [token]


# §6 Headers and body -----------------------------------------------------------------------------------------------

def head(*lines):
    return lambda token: ("\r\n".join([*lines, f"Subject: {token}"]) + "\r\n\r\nx\r\n.\r\n").encode("utf-8")


me = f"From: <{sender}>"
for name, lines in [
    ("two fields", [me, me]), ("several and no Sender", [f"From: <{sender}>, <b@{domain}>"]), ("none", ["To: a@b.example"]),
    ("an empty group", ["From: nobody:;"]), ("only a comment", ["From: (me)"]), ("no address", ["From: me"]),
    ("a route", [f"From: <@a.example:{sender}>"]), ("NUL-like junk", ["From: <a@b.example"]),
    ("two in one atom", [f"From: a@{domain}, c"]),
]:
    refused_content("§6 From", name, head(*lines), "554 5.6.0", "550 5.7.1")
for name, line in [
    ("another's address", "From: <ceo@bank.example>"), ("own in the display name", f'From: "{sender}" <ceo@bank.example>'),
    ("an encoded word is no address", f"From: =?utf-8?q?=3C{sender}=3E?= <ceo@bank.example>"),
    ("in a fold", f"From: {sender}\r\n <ceo@bank.example>"), ("a sub-domain", f"From: <a@x.{domain}>"),
]:
    refused_content("§6 From is not the tenant's", name, head(line), "550 5.7.1", "554 5.6.0")
refused_content("§6 Sender is not the tenant's", "Sender", head(me, "Sender: <x@bank.example>"), "550 5.7.1")
refused_content("§6 Sender is not the tenant's", "Resent-From", head("Resent-From: <x@bank.example>", me), "550 5.7.1")
refused_content("§6 line in the header", "that is no field", head(me, "this is no field"), "554 5.6.0")
refused_content("§6 once-only fields", "two Subjects", head(me, "Subject: a"), "554 5.6.0")
refused_content("§6 once-only fields", "two Dates", head(
    me, "Date: Tue, 24 Nov 2026 10:00:00 +0000", "Date: Tue, 24 Nov 2026 10:00:00 +0000"), "554 5.6.0")
refused_content("§6 loops", "101 Received fields", head(
    me, *["Received: from a by b; Tue, 24 Nov 2026 10:00:00 +0000"] * 101), "554 5.4.6")
refused_content("§6 size of the header", "1,001 fields", head(me, *["X-A: b"] * 1001), "552 5.3.4", "554 5.6.0")
refused_content("§6 size of the header", "300 KiB", head(me, "X-A: " + "\r\n ".join(["b" * 900] * 340)),
                "552 5.3.4", "554 5.6.0")
refused_content("§6 NUL in the body", "", lambda token: message(token, b"a\0b\r\n.\r\n"))
taken_content("§6 obsolete blank", "From :", lambda token: head(f"From : <{sender}>")(token))
taken_content("§6 several authors", "with a Sender", head(f"From: <{sender}>, <b@{domain}>", f"Sender: <{sender}>"))
taken_content("§6 8-bit body", "without BODY=8BITMIME", lambda token: message(token, "grüße\r\n.\r\n".encode()))
taken_content("§6 UTF-8 header", "with SMTPUTF8", head(me, "X-Name: Grüße"), " SMTPUTF8")
taken_content("§6 trace fields forged", "Return-Path and Bcc do not get through", head(
    me, "Return-Path: <x@bank.example>", "Bcc: secret@remote.example", "Authentication-Results: x; none"))
taken_content("§6 MIME", "nested 10,000 deep", lambda token: message(
    token, b"".join(b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1) for n in range(10000))
    + b".\r\n", b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b0\r\n"))
for name in ["evil\x0d", "a b", "<x>", "a\"b", "ü.example"]:
    @case("§6 EHLO name", repr(name))
    def _(token, name=name):
        client = Client()
        client.say("EHLO " + name, "501 5.5.4", "501 5.5.2", "500 5.5.2")


def run(one):
    where, name, function = one
    token = f"threat{section[-1]}-{hashlib.sha256((where + name).encode()).hexdigest()[:12]}"
    try:
        stored = function(token) or []
        return {"row": f"{where}: {name}", "ok": True, "stored": stored}
    except Exception as error:  # noqa: BLE001: whatever went wrong is the finding
        return {"row": f"{where}: {name}", "ok": False, "stored": [], "wrong": f"{type(error).__name__}: {error}"}


chosen = [one for one in cases if one[0].startswith(section + " ")]
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    for result in pool.map(run, chosen):
        print(json.dumps(result))
