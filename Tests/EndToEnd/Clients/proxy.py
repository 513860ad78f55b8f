"""Stands between a node and PostgreSQL, and cuts connections when an answer is due.

usage: proxy.py LISTEN_PORT SERVER_PORT ONE_IN SEED FILE

While FILE exists, about one in ONE_IN of the server's answers is thrown away and its connection closed: the request
has reached PostgreSQL, the reply to its commit is never seen. FILE.count holds the number of cuts.
"""

import os
import random
import socket
import sys
import threading
import time

listen, server, one_in, seed, switch = sys.argv[1:]
chance = random.Random(int(seed))
cuts = 0
lock = threading.Lock()


def is_cut():
    global cuts
    with lock:
        if not os.path.exists(switch) or chance.randrange(int(one_in)):
            return False
        cuts += 1
        with open(switch + ".counting", "w") as file:
            file.write(str(cuts))
        os.rename(switch + ".counting", switch + ".count")  # a reader sees one number or the other, never none
        return True


def close(*sockets):
    for each in sockets:
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        each.close()


def pump(source, target, answers):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            if answers and is_cut():
                # The backend has committed, or is about to: give it either time.
                time.sleep(chance.choice([0, 0.002, 0.02]))
                break
            target.sendall(data)
    except OSError:
        pass
    close(source, target)


listener = socket.create_server(("127.0.0.1", int(listen)), backlog=64)
while True:
    node, _ = listener.accept()
    try:
        database = socket.create_connection(("127.0.0.1", int(server)))
    except OSError:
        node.close()
        continue
    threading.Thread(target=pump, args=(node, database, False), daemon=True).start()
    threading.Thread(target=pump, args=(database, node, True), daemon=True).start()
