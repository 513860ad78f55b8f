"""Logs in by a TLS client certificate (SASL EXTERNAL). Prints what the server answered, a line each.

usage: external.py CASE PORT CA CERTIFICATE KEY [AUTHZID]

CASE: starttls, tls (with the certificate), without (no certificate), resume (twice, the second time by a ticket).
"""

import base64
import socket
import ssl
import sys

from lines import Lines

case, port, ca, certificate, key = sys.argv[1:6]
identity = sys.argv[6] if len(sys.argv) > 6 else ""
context = ssl.create_default_context(cafile=ca)
if case != "without":
    context.load_cert_chain(certificate, key)


class Session(Lines):
    def __init__(self, implicit, session=None):
        self.socket = socket.create_connection(("127.0.0.1", int(port)), timeout=60)
        if not implicit:
            self.file = self.socket.makefile("rb")
            self.reply()
            self.say("EHLO client.example")
            self.say("STARTTLS")
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost", session=session)
        self.file = self.socket.makefile("rb")
        if implicit:
            self.reply()
        self.offer = self.say("EHLO client.example")

    def external(self):
        print("offered" if "EXTERNAL" in self.offer else "not offered")
        print(self.say("AUTH EXTERNAL " + (base64.b64encode(identity.encode()).decode() or "=")))


first = Session(case in ("tls", "resume"))
first.external()
if case == "starttls":
    print(first.say("NOOP"))
if case == "resume":
    second = Session(True, first.socket.session)
    print("resumed" if second.socket.session_reused else "not resumed")
    second.external()
