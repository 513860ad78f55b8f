"""Stands between a node and PostgreSQL. While FILE exists, whatever connection has said LISTEN carries nothing any more
in either direction, and stays open: what is sent is taken and thrown away.

usage: blackhole.py LISTEN_PORT SERVER_PORT FILE
"""

import os
import socket
import sys
import threading

listen, server, switch = sys.argv[1:]


def carry(source, target, state):
    try:
        while True:
            octets = source.recv(65536)
            if not octets:
                break
            if b"LISTEN gatepost_directory" in octets:
                state["listens"] = True
            if state["listens"] and os.path.exists(switch):
                continue
            target.sendall(octets)
    except OSError:
        pass
    for each in (source, target):
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


gate = socket.create_server(("127.0.0.1", int(listen)))
while True:
    client, _ = gate.accept()
    onward = socket.create_connection(("127.0.0.1", int(server)))
    state = {"listens": False}
    for pair in ((client, onward), (onward, client)):
        threading.Thread(target=carry, args=(*pair, state), daemon=True).start()
