"""Runs each flood beside sessions that behave, and says what these keep. See `Benchmarks/flood`.

FORM=short is for `make test`: each flood for some seconds. Rates are shown and not judged, for a debug build on a busy
machine has none; that every message gets its 250, what memory it takes, and that the flood was one, are.
"""

import ast
import json
import os
import statistics
import subprocess
import sys
import time

server = int(os.environ["FLOOD_SERVER"])
connections, slow = int(os.environ.get("CONNECTIONS", 50_000)), int(os.environ.get("SLOW", 2_000))
octets, messages = int(os.environ.get("OCTETS", 1_000_000_000)), os.environ.get("MESSAGES", "3000")
is_short = os.environ.get("FORM") == "short"
sender, max_connections = os.environ["FLOOD_SENDER"], int(os.environ["FLOOD_MAX_CONNECTIONS"])
body_memory = int(os.environ["FLOOD_BODY_MEMORY_MIB"])
# kind, attackers, each one's count (0: until the sessions that behave are through)
FLOODS = [
    ("abandon", 2, connections // 2), ("slow", 1, slow), ("endless line", 1, 0), ("oversized", 1, octets),
    ("handshakes", 2, 0),
]


def bench():
    """The rate of sessions that stay open, and how many messages failed."""
    done = subprocess.run([
        os.environ["FLOOD_GATEPOST"], "bench", "smtp", "--port", os.environ["FLOOD_PORT"], "--ca",
        os.environ["FLOOD_CA"], "--server-name", "localhost", "--username", os.environ["FLOOD_USERNAME"],
        "--secret-file", os.environ["FLOOD_SECRET_FILE"], "--from", sender, "--connections", "16",
        "--messages", messages, "--json",
    ], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120 if is_short else None)
    try:
        shown = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        sys.exit(f"bench: exit {done.returncode}: {done.stderr[-300:]}")
    print(f"  {shown['messages_per_second']:.0f} messages a second", file=sys.stderr, flush=True)
    return shown["messages_per_second"], int(messages) - shown.get("accepted", int(messages))


def memory(name):
    with open(f"/proc/{server}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name + ":")) / 1024


def forget_peak():
    with open(f"/proc/{server}/clear_refs", "w") as file:
        file.write("5")


def attack(kind, attackers, count):
    started = [
        subprocess.Popen(
            ["nice", "-n", os.environ.get("NICE", "5"), sys.executable, "-B", os.path.join(os.path.dirname(os.path.abspath(__file__)), "attack.py"), kind, str(count), str(number)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for number in range(attackers)
    ]
    for process in started:
        if process.stdout.readline() != "ready\n":
            sys.exit(f"{kind}: the attacker has failed")
    return started


def end(started, waits):
    """What each has done; those with a count of their own come to their end first."""
    done = []
    for process in started:
        if not waits:
            process.stdin.close()
        done.append(process.stdout.read().strip())
        process.wait()
    return done


def summed(done):
    total = {}
    for line in done:
        for name, value in ast.literal_eval(line).items():
            total[name] = max(total.get(name, 0), value) if name == "seconds" else total.get(name, type(value)()) + value
    return total


def was_flood(kind, total):
    """Whether it did what it is for. One session or the other may have stayed below the limit."""
    if kind == "oversized":
        return "552 5.3.4" in total["replies"] and set(total["replies"]) <= {"552 5.3.4", "250 2.0.0"}
    return total["done"] >= {"abandon": connections // 2 * 2, "slow": slow, "endless line": 1 << 20, "handshakes": 20}[kind]


def main():
    failed = False
    bench()
    if not is_short:
        bench()  # plans are made, pages are there
    at_rest = memory("VmRSS")
    # Twice the memory for bodies (the README says why), and 24 KiB for each connection that may be open.
    budget = at_rest + 2 * body_memory + max_connections * 24 / 1024
    print(f"at rest {at_rest:.0f} MiB; budget {budget:.0f} MiB")
    for kind, attackers, count in FLOODS:
        if os.environ.get("ONLY", kind) != kind:
            continue
        before, _ = bench()
        forget_peak()
        started = attack(kind, attackers, count)
        rates = [bench() for _ in range(1 if is_short else 2)]
        total = summed(end(started, waits=kind in ("abandon", "oversized")))
        peak = memory("VmHWM")
        time.sleep(1)
        after, _ = bench()
        undisturbed = statistics.mean([before, after])
        during, lost = statistics.mean(rate for rate, _ in rates), sum(lost for _, lost in rates)
        keeps_rate = is_short or during >= undisturbed / 2
        is_well = keeps_rate and not lost and peak <= budget and was_flood(kind, total)
        failed |= not is_well
        print(
            f"{'ok   ' if is_well else 'SHORT'} {kind}: {during:.0f} of {undisturbed:.0f} messages a second "
            f"({during / undisturbed:.2f}; before {before:.0f}, after {after:.0f}), {lost} failed, "
            f"peak {peak:.0f} MiB; "
            + ", ".join(f"{name} {value}" for name, value in total.items()), flush=True)
    sys.exit(failed)


main()
