"""One attacker. usage: attack.py KIND COUNT SEED

Says `ready` once its flood is at its height, goes on until COUNT is reached (0: without end) or its standard input
ends, then prints how much it did. The server is told by FLOOD_PORT, FLOOD_TLS_PORT, FLOOD_CA, FLOOD_USERNAME,
FLOOD_SECRET_FILE, FLOOD_SENDER.
"""

import base64
import os
import random
import select
import socket
import ssl
import struct
import sys
import threading
import time

kind, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
port, tls_port = int(os.environ["FLOOD_PORT"]), int(os.environ["FLOOD_TLS_PORT"])
sender = os.environ["FLOOD_SENDER"].encode()
username, secret = os.environ["FLOOD_USERNAME"], open(os.environ["FLOOD_SECRET_FILE"]).read().strip()
PLAIN = b"AUTH PLAIN " + base64.b64encode(f"\0{username}\0{secret}".encode()) + b"\r\n"
context = ssl.create_default_context(cafile=os.environ["FLOOD_CA"])
dice = random.Random(f"{kind} {seed}")
ended = threading.Event()
numbers = {"done": 0, "turned away": 0}


def listen_for_the_end():
    sys.stdin.read()
    ended.set()


def is_over():
    return ended.is_set() or count and numbers["done"] >= count


def connect(to=port):
    connection = socket.socket()
    connection.settimeout(20)
    # Closed by a reset: no port of ours has to wait.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.bind((f"127.{dice.randrange(1, 200)}.{dice.randrange(1, 250)}.{dice.randrange(1, 250)}", 0))
    connection.connect(("127.0.0.1", to))
    return connection


def ask(connection, octets):
    if octets:
        connection.sendall(octets)
    answer = connection.recv(4096)
    if not answer:
        raise ConnectionError("closed")
    return answer


def client_hello():
    """A whole TLS hello, as a real client sends it."""
    outgoing = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def ready():
    print("ready", flush=True)


# MARK: Abandoned at each state

CLEAR = [None, b"EHLO flood.example\r\n", b"STARTTLS\r\n"]
SECURE = [
    b"EHLO flood.example\r\n", PLAIN, b"MAIL FROM:<" + sender + b">\r\n", b"RCPT TO:<a@remote.example>\r\n",
    b"DATA\r\n",
]
STATES = 5 + 2 + len(SECURE) + 1


def abandon_one(state):
    """0 connected; 1-3 as many answers heard; 4 half a hello; 5 inside TLS; 6 in AUTH; 7-11 as many heard inside; 12 half
    a message sent."""
    connection = connect()
    try:
        for line in CLEAR[:min(state, 3)]:
            ask(connection, line)
        if state == 4:
            connection.sendall(client_hello()[:200])
        if state > 4:
            connection = context.wrap_socket(connection, server_hostname="localhost")
        if state == 6:
            ask(connection, SECURE[0])
            ask(connection, b"AUTH PLAIN\r\n")
        for line in SECURE[:max(state - 6, 0)]:
            ask(connection, line)
        if state == 12:
            connection.sendall(b"From: <" + sender + b">\r\n\r\n" + b"x" * 5000)
    finally:
        connection.close()


def abandon():
    ready()
    state = seed
    while not is_over():
        state += 1
        try:
            abandon_one(state % STATES)
        except OSError:
            numbers["turned away"] += 1
        numbers["done"] += 1


# MARK: Slow

def slow():
    """COUNT connections, each an octet a second: of a command, of a TLS hello, and of what never becomes either."""
    connections = {}
    hello = client_hello()

    def fill():
        for number in range(count - len(connections)):
            if ended.is_set():
                return
            try:
                to = tls_port if number % 2 else port
                connection = connect(to)
                connection.setblocking(False)
                connections[connection] = (hello if to == tls_port else b"EHLO " + b"x" * 1000, 0)
            except OSError:
                numbers["turned away"] += 1

    fill()
    ready()
    while not ended.is_set():
        begun = time.monotonic()
        for connection, (octets, sent) in list(connections.items()):
            try:
                connection.send(octets[sent:sent + 1])
                connections[connection] = (octets, sent + 1)
                numbers["done"] += 1
            except BlockingIOError:
                pass
            except OSError:
                connection.close()
                del connections[connection]
        fill()
        ended.wait(max(0, 1 - (time.monotonic() - begun)))


# MARK: Without end

def pour(connections, octets, inside):
    """Writes on all of them as fast as they take it; who is closed begins again."""
    poll = select.epoll()
    for connection in connections.values():
        poll.register(connection, select.EPOLLOUT)
    while not is_over():
        for number, _ in poll.poll(0.5):
            connection = connections[number]
            try:
                numbers["done"] += connection.send(octets)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                pass
            except OSError:
                numbers["turned away"] += 1
                poll.unregister(number)
                del connections[number]
                connection.close()
                try:
                    fresh = inside()
                    connections[fresh.fileno()] = fresh
                    poll.register(fresh, select.EPOLLOUT)
                except OSError:
                    pass


def endless_line():
    def begin():
        connection = connect()
        connection.setblocking(False)
        return connection

    connections = {connection.fileno(): connection for connection in (begin() for _ in range(50))}
    ready()
    pour(connections, b"x" * 16384, begin)


def oversized():
    """Sessions that log in and send COUNT octets of message between them, whatever they are told."""
    def begin():
        connection = connect()
        for line in CLEAR:
            ask(connection, line)
        connection = context.wrap_socket(connection, server_hostname="localhost")
        for line in SECURE:
            ask(connection, line)
        connection.sendall(b"From: <" + sender + b">\r\n\r\n")
        connection.setblocking(False)
        return connection

    connections = {connection.fileno(): connection for connection in (begin() for _ in range(4))}
    ready()
    pour(connections, (b"x" * 76 + b"\r\n") * 200, begin)
    numbers["replies"] = []
    for connection in connections.values():
        try:
            connection.settimeout(60)
            connection.sendall(b"\r\n.\r\n")
            numbers["replies"].append(connection.recv(4096)[:9].decode())
        except OSError as error:
            numbers["replies"].append(type(error).__name__)


# MARK: Handshakes

def handshakes():
    """Hellos, each of which costs the server a key exchange and a signature; what it answers is not read."""
    hello = client_hello()
    ready()
    while not is_over():
        try:
            connection = connect(tls_port)
            connection.sendall(hello)
            if numbers["done"] % 4 == 0:
                connection.recv(1)
            connection.close()
        except OSError:
            numbers["turned away"] += 1
        numbers["done"] += 1


threading.Thread(target=listen_for_the_end, daemon=True).start()
begun = time.monotonic()
{"abandon": abandon, "slow": slow, "endless line": endless_line, "oversized": oversized, "handshakes": handshakes}[kind]()
numbers["seconds"] = round(time.monotonic() - begun, 1)
print(numbers, flush=True)
os._exit(0)
