"""THREATS §1 Framing and smuggling: the cases on the wire."""

import socket

from threat_client import Client, Wrong, case, message, refused_content, sender, taken_content


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
