#!/usr/bin/env python3
"""Gatepost and its peers on the same work, in alternation: `make compare`, or

    ROUNDS=3 ONLY=a,c SCALE=1 OUTPUT=folder GATEPOST=.build/release/gatepost Benchmarks/compare/compare.py

Starts everything privately on loopback and ends it again, also on failure and Ctrl-C; needs root for Postfix.
ONLY: works by their letters (`f` is memory; all of them where it is not given). SCALE: of the messages of each work.
Writes compare.json, compare.svg and compare.txt into OUTPUT (.build/compare).
"""

import json
import os
import resource
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import chart
import report
import targets
import works
from chasquid import Chasquid
from gatepost_server import Gatepost
from postfix import Postfix, PostfixService
from processes import free_port, note, run
from sink import Sink
from surroundings import Surroundings

USERS = 10500


def raise_signal(number, _):
    sys.exit(128 + number)


def machine():
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown")
    return {"cores": os.cpu_count(), "processor": model, "kernel": os.uname().release,
            "load_at_start": os.getloadavg()[0]}


def versions(gatepost):
    shown = run("dpkg-query", "-W", "-f", "${Package} ${Version}\\n", "postfix", "dovecot-core", "policyd-rate-limit")
    return {"gatepost": run(gatepost, "--version").strip(), "packages": shown.split("\n")[:-1]}


def measure(site, rounds, only, scale):
    sink = Sink(site, free_port())
    sink.start()
    held = Gatepost(site, "gatepost_held", ["submission"], sink.port)
    flowing = Gatepost(site, "gatepost_flowing", ["submission", "forwarder", "relay"], sink.port)
    postfix = Postfix(site, sink.port)
    for part in (held, flowing, postfix):
        part.start()
    chasquid = Chasquid(site, postfix.dovecot, sink.port)
    chasquid.start()
    users = works.Users(USERS)
    results, memory, failures = {}, {}, []
    if not only or "f" in only:
        # First of all: what other works leave in memory is not to be taken for the start.
        servers = [held, PostfixService(postfix, True, True), chasquid]
        try:
            memory = works.memory(site, servers, scale)
            print(report.memory(memory), flush=True)
        except RuntimeError as error:
            note(f"f FAILED: {error}")
            failures.append(f"f: {error}")
    for work in works.WORKS:
        if only and work.letter not in only:
            continue
        services = [PostfixService(postfix, quota, not work.flowing) for quota in (True, False)]
        servers = [flowing if work.flowing else held, *services, chasquid]
        try:
            results[work.letter] = works.run(site, work, servers, sink, users, rounds, scale)
        except RuntimeError as error:  # the other works' figures are still worth having
            note(f"{work.letter} FAILED: {error}")
            failures.append(f"{work.letter}: {error}")
            continue
        print(report.table(f"{work.letter}  {work.title}", results[work.letter]), flush=True)
    return results, memory, failures


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, raise_signal)
    rounds = int(os.environ.get("ROUNDS", "3"))
    scale = float(os.environ.get("SCALE", "1"))
    only = [word for word in os.environ.get("ONLY", "").split(",") if word]
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    gatepost = os.path.realpath(os.environ.get("GATEPOST", f"{root}/.build/release/gatepost"))
    output = os.environ.get("OUTPUT", f"{root}/.build/compare")
    if os.geteuid() != 0:
        sys.exit("error: Postfix can only be started by root")
    # Idle sessions cost a descriptor each.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    begun, facts = time.time(), machine()
    site = Surroundings(gatepost, USERS)
    try:
        note("starting PostgreSQL, Gatepost, Postfix, Dovecot, policyd-rate-limit, chasquid, a sink")
        site.start()
        results, memory, failures = measure(site, rounds, only, scale)
        versions_now = versions(gatepost)
    finally:
        # A second Ctrl-C must not keep anything alive.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        note("ending what was started")
        site.stop()
    date = time.strftime("%Y-%m-%d", time.gmtime(begun))
    facts |= {"date": date, "rounds": rounds, "scale": scale, "took_s": round(time.time() - begun), **versions_now,
              "load_at_end": os.getloadavg()[0]}
    judged = targets.table(results, memory, works.SHORT)
    print(judged)
    heading = f"{date}, {facts['cores']} cores ({facts['processor']}), {rounds} rounds; load before {facts['load_at_start']:.1f}"
    os.makedirs(output, exist_ok=True)
    with open(f"{output}/compare.json", "w") as file:
        json.dump({"facts": facts, "works": results, "memory": memory, "failures": failures}, file, indent=1)
    with open(f"{output}/compare.svg", "w") as file:
        file.write(chart.draw(f"Gatepost and its peers, {date}, {facts['cores']} cores", works.WORKS, results, memory))
    with open(f"{output}/compare.txt", "w") as file:
        file.write(report.whole(heading, works.WORKS, results, memory) + "\n\n" + judged)
    note(f"took {facts['took_s']} s; compare.json, compare.svg and compare.txt are in {output}")
    if failures:
        sys.exit("error: these works failed, and have no figures:\n" + "\n".join(failures))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except RuntimeError as error:
        sys.exit(f"error: {error}")
