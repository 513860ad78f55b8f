"""The load: always `gatepost bench smtp`, and beside it what each group of processes spends."""

import json
import os
import subprocess
from statistics import median

from processes import note, processor_seconds, step, wait_until
from surroundings import DOMAIN

LOGINS = 50
# Far above what any of them takes for its share; a connection that is told nothing for so long is given up.
SECONDS, SILENCE = 150, 60


def command(site, server, logins, connections, messages, size, *options):
    """`logins`: numbers of users; each connection takes the next one."""
    with open(server.secret_file) as file:
        secret = file.read().strip()
    file = site.write(f"{server.name}.logins", "".join(f"{server.username(n)} {secret}\n" for n in logins), 0o600)
    return [site.gatepost, "bench", "smtp", "--port", str(server.port), "--ca", site.path("pki/ca.pem"),
            "--server-name", "localhost", "--mechanism", "PLAIN", "--logins", file, "--from", f"app@{DOMAIN}",
            "--to-domain", "example.net", "--connections", str(connections), "--messages", str(messages),
            "--size", str(size), "--timeout", str(SILENCE), "--json", *options]


def smtp(site, server, messages, *options, connections=50, size=10000, logins=range(1, LOGINS + 1)):
    """One run of the client; what it printed."""
    with step(f"{server.name} to take {messages} messages", SECONDS):
        done = subprocess.run(command(site, server, logins, connections, messages, size, *options),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if not done.stdout:
        raise RuntimeError(f"{server.name}: the client failed: {done.stderr}")
    result = json.loads(done.stdout)
    if done.returncode != 0 or result["unanswered"]:
        note(f"{server.name}: {result['accepted']} of {messages} accepted; {done.stderr.strip()[-300:]}"
             f" {result['refusals']} {result['failures']}")
    return result


def measure(site, server, sink, messages, *options, delivered=False, at_once=None, **more):
    """A run with its processor time by group, in microseconds for each message accepted. With `delivered` the run goes
    on until the sink has every recipient, and the rate is the sink's.

    With `at_once` a server is given no more than so many, and the next ones when its queue is empty again: for one that
    refuses what its queue cannot hold. The time between counts for no rate, which is in its favour; the processor's does
    count. Latencies are the middle ones of these parts."""
    groups = {"server": server.roots, "postgresql": [site.database.pid], "sink": [sink.child.pid]}
    before = {name: processor_seconds(roots) for name, roots in groups.items()}
    parts = []
    while messages > 0:
        count = min(messages, at_once or messages)
        # What is left over would be a part too short to be measured.
        if at_once and parts and count < at_once:
            break
        parts.append(portion(site, server, sink, count, *options, delivered=delivered, **more))
        messages -= count
        if at_once:
            server.between_rounds()
    spent = {name: processor_seconds(roots) - before[name] for name, roots in groups.items()}
    accepted = sum(part["accepted"] for part in parts)
    refusals = {}
    for part in parts:
        for code, number in part["refusals"].items():
            refusals[code] = refusals.get(code, 0) + number

    def rate(elapsed):
        return accepted * 1e6 / max(sum(map(elapsed, parts)), 1)

    return {
        "rate": rate(lambda part: part["sink"]["elapsed_us"] if delivered else part["elapsed_us"]),
        "accepted_rate": rate(lambda part: part["elapsed_us"]),
        **{f"{name}_ms": median(part["latency_us"][name] for part in parts) / 1000
           for name in ("p50", "p90", "p99", "p999", "max")},
        "setup_p99_ms": median(part["setup_us"]["p99"] for part in parts) / 1000,
        "cpu_us": {name: seconds * 1e6 / max(accepted, 1) for name, seconds in spent.items()}
        | {"client": median(part["client_cpu_us_per_message"] for part in parts)},
        "offered": sum(part["accepted"] + part["refused"] + part["unanswered"] for part in parts),
        "accepted": accepted, "refused": sum(part["refused"] for part in parts),
        "unanswered": sum(part["unanswered"] for part in parts), "refusals": refusals,
        "at_once": at_once, "parts": len(parts), "sink": parts[-1]["sink"],
    }


def portion(site, server, sink, messages, *options, delivered, **more):
    """What the client printed, and what the sink counted."""
    sink.reset()
    result = smtp(site, server, messages, *options, **more)
    counts = None
    if delivered:
        wanted = result["accepted"] * result["recipients"]
        wait_until(f"{server.name} to deliver {wanted}", lambda: sink.counts()["recipients"] >= wanted, SECONDS)
        counts = sink.counts()
    return result | {"sink": counts}


class Idle:
    """Sessions that each sent a message and are then silent."""

    def __init__(self, site, server, sessions, size):
        self.process = subprocess.Popen(
            command(site, server, range(1, LOGINS + 1), sessions, sessions, size, "--hold", "0"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        site.add(self.end)

    def wait(self):
        """Until all are silent."""
        with step("all idle sessions to stand", SECONDS):
            for line in self.process.stderr:
                if line.startswith("holding"):
                    return
        raise RuntimeError(f"the client of idle sessions ended: {self.process.stdout.read()[-500:]}")

    def end(self):
        if self.process.poll() is not None:
            return None
        self.process.terminate()
        try:
            output, _ = self.process.communicate(timeout=60)
        finally:
            self.process.kill()
        return json.loads(output) if output else None
