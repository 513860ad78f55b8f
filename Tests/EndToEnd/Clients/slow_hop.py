"""A mail server that takes its time over a message's final dot, and takes it.

usage: slow_hop.py PORT JOURNAL SECONDS

The journal: `dot` when a message has come, `taken` when it is answered.
"""

import socketserver
import sys
import time

port, journal, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])


def note(word):
    with open(journal, "a") as file:
        file.write(word + "\n")


class Session(socketserver.StreamRequestHandler):
    def handle(self):
        self.say("220 slow.example")
        while line := self.rfile.readline():
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"DATA":
                self.say("354 go on")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                note("dot")
                time.sleep(seconds)
                note("taken")
                self.say("250 2.0.0 taken")
            elif verb == b"QUIT":
                return self.say("221 bye")
            else:
                self.say("250 ok")

    def say(self, line):
        self.wfile.write((line + "\r\n").encode())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server(("127.0.0.1", port), Session).serve_forever()
