"""A line out, its reply back: what the clients here that speak SMTP by hand share."""

import ssl


class Lines:
    """`socket` and `file` (its reading side) are the subclass's to set, anew after a handshake."""

    def reply(self):
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                return "closed"
            lines.append(line.decode().rstrip())
            if line[3:4] != b"-":
                return " | ".join(lines)

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply()


def client_hello():
    """A whole TLS hello, as a real client sends it."""
    outgoing = ssl.MemoryBIO()
    try:
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()
