"""Sends one message that asks for more than plain SMTP.

usage: journey.py KIND PORT CA USERNAME SECRET_FILE SENDER

    bare      lines that end in LF or CR alone, by DATA
    success   DSN: NOTIFY=SUCCESS, ORCPT, RET and ENVID
    delay     DSN: NOTIFY=DELAY
    plain     nothing more
    utf8      SMTPUTF8: an address and a header in UTF-8, to a domain of its own script
    binary    BODY=BINARYMIME, in two chunks
"""

import smtplib
import ssl
import sys

kind, port, ca, username, secret_file, sender = sys.argv[1:7]
client = smtplib.SMTP("localhost", int(port), timeout=60)
client.starttls(context=ssl.create_default_context(cafile=ca))
client.login(username, open(secret_file).read().strip())
client.command_encoding = "utf-8"


def demand(code, *reply):
    if reply[0] != code:
        sys.exit(f"expected {code}: {reply}")


def head(subject):
    return f"From: <{sender}>\r\nTo: <a@remote.example>\r\nSubject: {subject}\r\n"


def data(content):
    demand(354, *client.docmd("DATA"))
    client.send(content + b"\r\n.\r\n")
    demand(250, *client.getreply())


if kind == "bare":
    demand(250, *client.mail(sender))
    demand(250, *client.rcpt("a@remote.example"))
    data(head("bare").replace("\r\n", "\n").encode() + b"\none\rtwo\nthree")
elif kind == "success":
    demand(250, *client.mail(sender, ["RET=HDRS", "ENVID=QQ+2B314"]))
    demand(250, *client.rcpt("a@remote.example", ["NOTIFY=SUCCESS", "ORCPT=rfc822;first+2Bone@remote.example"]))
    data((head("success") + "\r\nhello").encode())
elif kind in ("delay", "plain"):
    demand(250, *client.mail(sender))
    demand(250, *client.rcpt("a@remote.example", ["NOTIFY=DELAY"] if kind == "delay" else []))
    data((head(kind) + "\r\nhello").encode())
elif kind == "utf8":
    demand(250, *client.mail(sender, ["SMTPUTF8", "BODY=8BITMIME"]))
    demand(250, *client.rcpt("jürgen@bücher.example"))
    data((head("Grüße") + "\r\nhello").encode())
elif kind == "binary":
    content = (head("binary") + "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
               "Content-Transfer-Encoding: binary\r\n\r\n").encode() + bytes(range(256)) * 8 + b"\r\n.\r\n\n.\n"
    demand(250, *client.mail(sender, ["BODY=BINARYMIME"]))
    demand(250, *client.rcpt("a@remote.example"))
    client.send(f"BDAT {100}\r\n".encode() + content[:100])
    demand(250, *client.getreply())
    client.send(f"BDAT {len(content) - 100} LAST\r\n".encode() + content[100:])
    demand(250, *client.getreply())
client.quit()
