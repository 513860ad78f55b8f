"""A stranger at the relay's gate, with every trick that open relays have fallen for.

usage: gate.py PORT [CERTIFICATE KEY]

Tries each trick in the clear, over STARTTLS without a certificate and, where one is given, over STARTTLS with it
(another authority's), after HELO, EHLO and LHLO, step by step and pipelined, in upper and lower case. Every MAIL or
RCPT must be refused with 550 5.7.1 (530 5.7.0 before TLS), and DATA and BDAT must never be taken.
Prints what it tried, and exits with 1 if anything got through.
"""

import socket
import ssl
import sys

port = int(sys.argv[1])
foreign = sys.argv[2:4]

own = "localhost"
target = "victim@remote.example"
# nmap's smtp-open-relay, RFC 1123 §5.3, RFC 5321 App. C, and ours.
tricks = [
    ("<>", f"<{target}>"),
    ("<stranger@remote.example>", f"<{target}>"),
    (f"<stranger@{own}>", f"<{target}>"),
    ("<stranger@[127.0.0.1]>", f"<{target}>"),
    ("<stranger@127.0.0.1>", f"<{target}>"),
    (f"<stranger@{own}>", f"<victim%remote.example@{own}>"),
    (f"<stranger@{own}>", "<victim%remote.example@[127.0.0.1]>"),
    (f"<stranger@{own}>", "<victim%remote.example>"),
    (f"<stranger@{own}>", f'<"{target}">'),
    (f"<stranger@{own}>", f'<"victim%remote.example">'),
    (f"<stranger@{own}>", f"<{target}@{own}>"),
    (f"<stranger@{own}>", f'<"{target}"@{own}>'),
    (f"<stranger@{own}>", f"<{target}@[127.0.0.1]>"),
    (f"<stranger@{own}>", f"<@{own}:{target}>"),
    (f"<stranger@{own}>", f"<@[127.0.0.1]:{target}>"),
    (f"<stranger@{own}>", f"<@{own},@other.example:{target}>"),
    (f"<stranger@{own}>", f"<remote.example!victim>"),
    (f"<stranger@{own}>", f"<remote.example!victim@{own}>"),
    (f"<stranger@{own}>", f"<remote.example!victim@[127.0.0.1]>"),
    ("<stranger@remote.example> AUTH=<demo@submitter.invalid>", f"<{target}>"),
    ("<stranger@remote.example> AUTH=<>", f"<{target}>"),
    ("<> AUTH=demo@submitter.invalid", "<postmaster>"),
    ("<stranger@remote.example> AUTH=demo+40submitter.invalid", f"<postmaster@{own}>"),
    ("<stranger@remote.example> SIZE=100", f"<{target}>"),
    ("<stranger@remote.example> BODY=BINARYMIME SMTPUTF8 RET=FULL ENVID=x", f"<{target}> NOTIFY=NEVER"),
    ("<str\u00e4nger@remote.example> SMTPUTF8", f"<v\u00efctim@remote.example> ORCPT=rfc822;{target}"),
    ("<postmaster>", "<postmaster>"),
    (f"<root@{own}>", f"<root@{own}>"),
]


class Session:
    def __init__(self, mode):
        raw = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.sock, self.file = raw, raw.makefile("rb")
        self.reply()
        if mode == "plain":
            return
        self.say("EHLO stranger.example")
        self.say("STARTTLS")
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        if mode == "foreign":
            tls.load_cert_chain(*foreign)
        self.sock = tls.wrap_socket(raw)
        self.file = self.sock.makefile("rb")

    def reply(self):
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                return lines or ["(closed)"]
            lines.append(line.decode("ascii", "replace").rstrip("\r\n"))
            if line[3:4] != b"-":
                return lines

    def say(self, *commands):
        self.sock.sendall("".join(command + "\r\n" for command in commands).encode())
        return [self.reply()[-1] for _ in commands]


def refused(reply, mode):
    if reply.startswith("550 5.7.1"):
        return True
    return mode == "plain" and reply.startswith("530 5.7.0")


failures = 0
tried = 0
for mode in ["plain", "starttls"] + (["foreign"] if foreign else []):
    for hello in ["HELO", "EHLO", "LHLO", "ehlo", None]:
        for pipelined in [False, True]:
            session = None
            for number, (sender, recipient) in enumerate(tricks):
                # A few to a connection: the server ends one that is refused too often.
                if number % 5 == 0:
                    session = Session(mode)
                    if hello:
                        session.say(f"{hello} {own}")
                mail, rcpt = f"MAIL FROM:{sender}", f"RCPT TO:{recipient}"
                if hello == "ehlo":
                    mail, rcpt = "mail from:" + sender, "rcpt to:" + recipient
                commands = [mail, rcpt, "DATA"]
                if number % 5 == 0:
                    # The octets of the chunk are a command that would close: they must be swallowed (RFC 3030).
                    commands.append("BDAT 6 LAST\r\nQUIT")
                if pipelined:
                    replies = session.say(*commands)
                else:
                    replies = [reply for command in commands for reply in session.say(command)]
                tried += 1
                through = [r for r in replies if r[:1] in "23" or r == "(closed)"]
                denied = any(refused(r, mode) for r in replies[:2])
                if hello is None:
                    # No greeting: a bad sequence is as good a refusal.
                    denied = denied or all(r[:1] == "5" for r in replies[:2])
                if through or not denied:
                    failures += 1
                    print(f"FAILED {mode} {hello} pipelined={pipelined} {mail} {rcpt}: {replies}")
                session.say("RSET")
print(f"{tried} tried, {failures} got through")
sys.exit(1 if failures else 0)
