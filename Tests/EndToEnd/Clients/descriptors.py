"""A server whose open files are used up: whoever comes is told so or waits, nobody wears a processor, and it passes.

usage: descriptors.py PORT PID

Prints a line for each case: `ok` or what was wrong.
"""

import collections
import os
import resource
import selectors
import socket
import sys
import time

port, pid = int(sys.argv[1]), int(sys.argv[2])
usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)


def open_files():
    return len(os.listdir(f"/proc/{pid}/fd"))


def limit(count):
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (count, usual[1]))


def used():
    """Seconds of processor time."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def come(count):
    sockets = []
    for _ in range(count):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", port))
        sockets.append(one)
    return sockets


def greetings(sockets, seconds):
    """How many have heard which code."""
    codes, waiting, end = collections.Counter(), selectors.DefaultSelector(), time.monotonic() + seconds
    for one in sockets:
        waiting.register(one, selectors.EVENT_READ)
    while waiting.get_map() and time.monotonic() < end:
        for key, _ in waiting.select(0.2):
            codes[key.fileobj.recv(200)[:3].decode()] += 1
            waiting.unregister(key.fileobj)
    codes["nothing"] = len(waiting.get_map())
    return codes


def told():
    """There is room for 192, of which strangers have nine tenths."""
    limit(256)
    crowd = come(300)
    codes = greetings(crowd, 30)
    for one in crowd:
        one.close()
    limit(usual[0])
    if codes["220"] != 173 or codes["421"] != 127:
        return f"of 300 connections with 256 open files: {dict(codes)}"


def waits():
    # Those who were told have half a second to read it.
    at_rest, same, end = open_files(), 0, time.monotonic() + 30
    while same < 15 and time.monotonic() < end:
        time.sleep(0.1)
        now = open_files()
        at_rest, same = now, same + 1 if now == at_rest else 0
    limit(at_rest + 4)
    crowd = come(40)
    time.sleep(1)
    if open_files() < at_rest + 4:
        return f"{open_files()} open files of {at_rest + 4} with 40 connections"
    before = used()
    # As long as it takes for a loop that spins to be seen among the tests beside it.
    time.sleep(3)
    spent = used() - before
    limit(usual[0])
    codes = greetings(crowd, 5)
    for one in crowd:
        one.close()
    if spent > 0.3:
        return f"{spent:.2f} s of processor time in 3 s without a descriptor"
    if codes["220"] != 40:
        return f"5 s after there were descriptors again: {dict(codes)}"


for case in (told, waits):
    print(case() or f"ok {case.__name__}", flush=True)
