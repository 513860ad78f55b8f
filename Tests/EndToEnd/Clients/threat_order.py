"""THREATS §4 Command order, pipelining, BDAT: the cases on the wire."""

import socket
import ssl
import threading
import time

from threat_client import (Client, Closed, Wrong, b64, ca, case, message, secret, sender, tls_port,
                           username)


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
    client.say("BDAT 6 LAST\r\nQUIT", "503 5.5.1", "552 5.3.4")
    client.say("RSET", "250")
    client.envelope()
    client.say("RSET", "250")


@case("§4 BDAT", "MAIL, RCPT and DATA between chunks, BDAT after LAST, RSET between chunks")
def _(token):
    client = Client()
    client.login()
    client.envelope()
    content = message(token)
    client.send(b"BDAT 4\r\n" + content[:4])
    client.reply("250 2.0.0")
    client.say(f"MAIL FROM:<{sender}>", "503 5.5.1")
    client.say("RCPT TO:<b@remote.example>", "503 5.5.1")
    client.say("DATA", "503 5.5.1")
    client.send(f"BDAT {len(content) - 4} LAST\r\n".encode() + content[4:])
    client.reply("250 2.0.0")
    client.send(b"BDAT 3 LAST\r\nabc")
    client.reply("503 5.5.1")
    client.envelope()
    client.say("BDAT 6\r\nabcd", "250")
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


@case("§4 QUIT", "a client that does not hang up keeps neither its descriptor nor its session")
def _(token):
    client = Client()
    client.login()
    client.say("QUIT", "221 2.0.0")
    client.closed()
    raw = client.socket.detach()
    plain = socket.socket(fileno=raw)
    time.sleep(2)
    try:
        for _ in range(5):
            plain.send(b"x")
            time.sleep(0.1)
    except OSError:
        return
    raise Wrong("the server still listens 2 s after its 221")


def last_words(way):
    """Everything in one segment: the end of content, QUIT or not, TLS's goodbye, and the end of the stream or not."""
    def run(token):
        plain = socket.create_connection(("127.0.0.1", tls_port), timeout=20, source_address=("127.7.9.9", 0))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = ssl.create_default_context(cafile=ca).wrap_bio(incoming, outgoing, server_hostname="localhost")

        def pump(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    plain.sendall(outgoing.read())
                    octets = plain.recv(65536)
                    if octets:
                        incoming.write(octets)
                    else:
                        incoming.write_eof()

        def say(octets, expected):
            tls.write(octets)
            got = pump(lambda: tls.read(4096))
            if not got.startswith(expected):
                raise Wrong(f"{octets[:20]!r}: {got!r}")

        pump(tls.do_handshake)
        got = pump(lambda: tls.read(4096))
        if not got.startswith(b"220"):
            raise Wrong(f"{got!r}")
        say(b"EHLO client.example\r\n", b"250")
        say(f"AUTH PLAIN {b64(chr(0) + username + chr(0) + secret)}\r\n".encode(), b"235")
        say(f"MAIL FROM:<{sender}>\r\n".encode(), b"250")
        say(b"RCPT TO:<a@remote.example>\r\n", b"250")
        say(b"DATA\r\n", b"354")
        tls.write(message(token) + b".\r\n" + (b"QUIT\r\n" if "QUIT" in way else b""))
        if "goodbye" in way:
            try:
                tls.unwrap()
            except ssl.SSLError:
                pass
        plain.sendall(outgoing.read())
        if "end" in way:
            plain.shutdown(socket.SHUT_WR)
        # Past its own goodbye Python reads nothing any more: what comes is counted. 250 with an id is more than 80
        # octets, TLS's goodbye 24.
        octets = b""
        while more := plain.recv(65536):
            octets += more
        if "goodbye" not in way:
            incoming.write(octets)
            text = tls.read(4096)
            if not text.startswith(b"250 2.0.0"):
                raise Wrong(f"{text!r}")
        elif len(octets) < 80:
            raise Wrong(f"{len(octets)} octets came back")
        return [token]
    return run


for way in ["goodbye", "goodbye, end", "QUIT, goodbye", "QUIT, goodbye, end", "end", "QUIT, end"]:
    case("§4 last words", f"a message is answered, whatever ends with it: {way}")(last_words(way))
