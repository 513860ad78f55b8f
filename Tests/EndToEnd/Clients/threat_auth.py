"""THREATS §3 AUTH: the cases on the wire."""

import base64
import hashlib
import hmac
import os
import socket
import ssl

from threat_client import Client, Wrong, b64, case, revoked, secret, sender, username


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
    ("a nonce not ours", {"tamper": lambda ours, _: ("y" if ours[0] == "x" else "x") + ours[1:]}),
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
