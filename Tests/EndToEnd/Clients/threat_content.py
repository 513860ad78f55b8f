"""THREATS §6 Headers and body: the cases on the wire."""

from threat_client import Client, case, domain, message, refused_content, secret, sender, taken_content


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
