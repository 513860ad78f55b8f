"""Processes that a comparison starts: each is ended by its own id, and its whole tree is measured through /proc."""

import os
import signal
import socket
import subprocess
import sys
import time

TICK = os.sysconf("SC_CLK_TCK")


def note(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def free_port():
    """A port above 10000 that nobody listens on now."""
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        if port > 10000:
            return port


def run(*command, **options):
    """Runs a command to its end; what it says is shown only where it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_until(what, condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {seconds} s in vain for: {what}")
        time.sleep(0.02)


def answers(port, greeting=b"220"):
    """Whether a server greets there; with None: whether it takes connections."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return greeting is None or connection.recv(512).startswith(greeting)
    except OSError:
        return False


class Child:
    """A daemon that stays in the foreground. SIGTERM, then SIGKILL, to it alone: its children follow it."""

    def __init__(self, command, log, **options):
        self.log = log
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **options)
        self.pid = self.process.pid

    @property
    def is_alive(self):
        return self.process.poll() is None

    def check(self):
        if not self.is_alive:
            with open(self.log, errors="replace") as log:
                raise RuntimeError(f"{self.process.args[0]} ended with {self.process.returncode}:\n{log.read()[-3000:]}")

    def stop(self, number=signal.SIGTERM, seconds=20):
        if self.is_alive:
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return None


def _table():
    """Of each process: its parent, and its processor time with that of its children that have ended, in ticks."""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            table[int(name)] = (int(fields[1]), sum(map(int, fields[11:15])))
    return table


def tree(roots, table=None):
    """The processes below `roots`, and these."""
    table = table or _table()
    children = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found, waiting = [], [pid for pid in roots if pid in table]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def processor_seconds(roots):
    table = _table()
    return sum(table[pid][1] for pid in tree(roots, table)) / TICK


def proportional_kib(roots):
    """PSS: shared pages are split among those that share them."""
    total = 0
    for pid in tree(roots):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except OSError:
            continue
    return total
