"""The load: always `gatepost bench smtp`, and beside it what each group of processes spends."""

import json
import subprocess

from processes import note, processor_seconds
from surroundings import DOMAIN


def smtp(site, server, messages, *options, connections=50, size=10000):
    """One run of the client; what it printed."""
    done = subprocess.run(
        [site.gatepost, "bench", "smtp", "--port", str(server.port), "--ca", site.path("pki/ca.pem"),
         "--server-name", "localhost", "--mechanism", "PLAIN", "--username", server.username(1),
         "--secret-file", server.secret_file, "--from", f"app@{DOMAIN}", "--to-domain", "example.net",
         "--connections", str(connections), "--messages", str(messages), "--size", str(size), "--json", *options],
        stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if not done.stdout:
        raise RuntimeError(f"{server.name}: the client failed: {done.stderr}")
    result = json.loads(done.stdout)
    if done.returncode != 0 or result["accepted"] != messages:
        note(f"{server.name}: {result['accepted']} of {messages} accepted; {done.stderr.strip()[-300:]}"
             f" {result['refusals']} {result['failures']}")
    return result


def measure(site, server, messages, *options, **more):
    """A run with its processor time by group, in microseconds a message."""
    groups = {"server": server.roots, "postgresql": [site.database.pid]}
    before = {name: processor_seconds(roots) for name, roots in groups.items()}
    result = smtp(site, server, messages, *options, **more)
    spent = {name: processor_seconds(roots) - before[name] for name, roots in groups.items()}
    accepted = max(result["accepted"], 1)
    return {
        "rate": result["accepted"] * 1e6 / max(result["elapsed_us"], 1),
        "p50_ms": result["latency_us"]["p50"] / 1000, "p99_ms": result["latency_us"]["p99"] / 1000,
        "max_ms": result["latency_us"]["max"] / 1000,
        "cpu_us": {name: seconds * 1e6 / accepted for name, seconds in spent.items()}
        | {"client": result["client_cpu_us_per_message"]},
        "accepted": result["accepted"], "refused": result["refused"], "unanswered": result["unanswered"],
    }
