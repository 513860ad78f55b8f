"""THREATS §2 TLS and STARTTLS: the cases on the wire."""

import os
import socket
import ssl

from threat_client import Client, Closed, Wrong, ca, case, message, sender, tls_port


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
