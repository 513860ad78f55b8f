#!/usr/bin/env python3
"""Gatepost and its peers on the same work, in alternation: `make compare`, or

    ROUNDS=3 Benchmarks/compare/compare.py

Starts everything privately on loopback and ends it again; needs root for Postfix.
"""

import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import report
from gatepost_server import Gatepost
from load import measure, smtp
from postfix import Postfix, PostfixService
from processes import free_port, note
from surroundings import Surroundings


def main():
    # A second Ctrl-C must not keep anything alive.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rounds = int(os.environ.get("ROUNDS", "3"))
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    gatepost = os.path.realpath(os.environ.get("GATEPOST", f"{root}/.build/release/gatepost"))
    if os.geteuid() != 0:
        sys.exit("error: Postfix can only be started by root")
    site = Surroundings(gatepost, users=2000)
    try:
        note("starting")
        site.start()
        sink_port = free_port()
        held = Gatepost(site, "gatepost", ["submission"], sink_port)
        held.start()
        postfix = Postfix(site, sink_port)
        postfix.start()
        contestants = [(held, 8000), (PostfixService(postfix, True, True), 3000),
                       (PostfixService(postfix, False, True), 4000)]
        results = {server.name: [] for server, _ in contestants}
        for server, _ in contestants:
            note(f"warming {server.name}")
            smtp(site, server, 500)
            server.between_rounds()
        for number in range(rounds):
            for server, messages in contestants if number % 2 == 0 else reversed(contestants):
                site.sql("postgres", "CHECKPOINT")
                result = measure(site, server, messages)
                note(f"a, round {number + 1}: {server.name} {result['rate']:.0f}/s, p99 {result['p99_ms']:.1f} ms")
                results[server.name].append(result)
                server.between_rounds()
        print(report.table("a: accepted, 50 connections kept open, 10 kB, nothing delivered meanwhile", results))
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        note("ending what was started")
        site.stop()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except RuntimeError as error:
        sys.exit(f"error: {error}")
