"""Processes that a comparison starts: each is ended by its own id, and its whole tree is measured through /proc."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time

TICK = os.sysconf("SC_CLK_TCK")


def note(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


_deadlines = []


def _arm():
    """The alarm is always that of the step that ends first."""
    if not _deadlines:
        signal.setitimer(signal.ITIMER_REAL, 0)
        return
    signal.signal(signal.SIGALRM, _expired)
    signal.setitimer(signal.ITIMER_REAL, max(0.001, min(at for at, _ in _deadlines) - time.monotonic()))


def _expired(*_):
    now = time.monotonic()
    late = next((what for at, what in _deadlines if at <= now), None)
    if late is None:
        _arm()
        return
    inner = _deadlines[-1][1]
    raise RuntimeError(late if inner == late else f"{late}; it was at: {inner}")


@contextlib.contextmanager
def step(what, seconds):
    """Whatever is done within has so long, even where it blocks; then it fails by this name."""
    _deadlines.append((time.monotonic() + seconds, f"not done within {seconds:.0f} s: {what}"))
    _arm()
    try:
        yield
    finally:
        _deadlines.pop()
        _arm()


def free_port():
    """A port above 10000 that nobody listens on now."""
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        if port > 10000:
            return port


def run(*command, seconds=120, **options):
    """Runs a command to its end; what it says is shown only where it fails."""
    with step(" ".join(map(str, command))[:200], seconds):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_until(what, condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not done within {seconds} s: {what}")
        time.sleep(0.02)


def answers(port, greeting=b"220"):
    """Whether a server greets there; with None: whether it takes connections."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return greeting is None or connection.recv(512).startswith(greeting)
    except OSError:
        return False


_prctl = ctypes.CDLL(None).prctl
_PR_SET_PDEATHSIG = 1


class Child:
    """A daemon that stays in the foreground. It is told to end by SIGTERM (or `ending`), and also where this process is
    killed; whatever of its processes is left then is killed, each by its own id."""

    def __init__(self, command, log, ending=signal.SIGTERM, **options):
        self.log, self.ending = log, ending
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                preexec_fn=lambda: _prctl(_PR_SET_PDEATHSIG, int(ending)), **options)
        self.pid = self.process.pid

    @property
    def is_alive(self):
        return self.process.poll() is None

    def check(self):
        if not self.is_alive:
            with open(self.log, errors="replace") as log:
                raise RuntimeError(f"{self.process.args[0]} ended with {self.process.returncode}:\n{log.read()[-3000:]}")

    def tell(self, number):
        self.process.send_signal(number)

    def stop(self, seconds=15):
        # With the times at which they began: an id may be another process's by then.
        all_of_it = {pid: began(pid) for pid in tree([self.pid])}
        if self.is_alive:
            self.tell(self.ending)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        deadline = time.monotonic() + 2
        while (left := [pid for pid, at in all_of_it.items() if at and began(pid) == at and not is_zombie(pid)]):
            if time.monotonic() > deadline:
                for pid in left:
                    note(f"killed: {name_of(pid)} ({pid})")
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                break
            time.sleep(0.05)
        self.process.wait()


def _fields(pid):
    """Of /proc/PID/stat, from the state on."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def began(pid):
    fields = _fields(pid)
    return int(fields[19]) if fields else None


def is_zombie(pid):
    fields = _fields(pid)
    return fields is None or fields[0] == "Z"


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
            fields = _fields(name)
            if fields:
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
