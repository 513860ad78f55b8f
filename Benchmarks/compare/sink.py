"""The far end: `gatepost bench sink`, asked at its port for its counts."""

import json
import socket

from processes import Child, answers, wait_until


class Sink:
    def __init__(self, site, port):
        self.site, self.port = site, port

    def start(self):
        self.child = Child([self.site.gatepost, "bench", "sink", "--listen", f"127.0.0.1:{self.port}"],
                           self.site.path("sink.log"))
        self.site.add(self.child.stop)
        wait_until("the sink", lambda: self.child.check() or answers(self.port))

    def ask(self, command):
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            file = connection.makefile("rwb")
            file.readline()
            file.write(command + b"\r\n")
            file.flush()
            return file.readline().decode().strip()[4:]

    def counts(self):
        return json.loads(self.ask(b"XCOUNT"))

    def reset(self):
        self.ask(b"XRESET")
