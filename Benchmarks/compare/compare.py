#!/usr/bin/env python3
"""Gatepost and its peers on the same work, in alternation: `make compare`, or

    ROUNDS=3 ONLY=a,c SERVERS=gatepost,chasquid SCALE=1 OUTPUT=folder GATEPOST=.build/release/gatepost \
      Benchmarks/compare/compare.py

Starts everything privately on loopback and ends it again, also on failure and Ctrl-C; needs root for Postfix.
ONLY: works by their letters (`f` is memory; all of them where it is not given). SERVERS: who is measured, of gatepost,
postfix-quota, postfix and chasquid. SCALE: of the messages of each work.
Writes DATE-compare.json, .svg and .txt into OUTPUT (.build/compare), after each work anew: a run cut short leaves what it
had. Every step has a deadline, and fails by its name where that passes; the other servers and works go on without it.
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
from processes import free_port, note, run, step
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


def measure(site, rounds, only, names, scale, outcome):
    with step("starting everything", 240):
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
    failed = outcome.failures.append

    def chosen(servers):
        return [server for server in servers if not names or server.name in names]

    if not only or "f" in only:
        # First of all: what other works leave in memory is not to be taken for the start.
        servers = chosen([held, PostfixService(postfix, True, True), chasquid])
        outcome.memory.update(works.memory(site, servers, scale, failed))
        print(report.memory(outcome.memory), flush=True)
        outcome.write()
    for work in works.WORKS:
        if only and work.letter not in only:
            continue
        services = [PostfixService(postfix, quota, not work.flowing) for quota in (True, False)]
        servers = chosen([flowing if work.flowing else held, *services, chasquid])
        results = works.run(site, work, servers, sink, users, rounds, scale, failed)
        if results:
            outcome.results[work.letter] = results
            print(report.table(f"{work.letter}  {work.title}", results), flush=True)
            outcome.write()


class Outcome:
    """What has been measured so far: written after each work, so that a run cut short leaves what it had."""

    def __init__(self, folder, facts):
        self.folder, self.facts, self.begun = folder, facts, time.time()
        self.results, self.memory, self.failures = {}, {}, []

    @property
    def judged(self):
        return targets.table(self.results, self.memory, works.SHORT)

    def path(self, ending):
        return os.path.join(self.folder, f"{self.facts['date']}-compare.{ending}")

    def write(self):
        facts = self.facts | {"took_s": round(time.time() - self.begun), "load_at_end": os.getloadavg()[0]}
        heading = (f"{facts['date']}, {facts['cores']} cores ({facts['processor']}), {facts['rounds']} rounds, of the usual"
                   f" messages {facts['scale']:g}; took {facts['took_s']} s, load before {facts['load_at_start']:.1f};"
                   f" Gatepost {facts['gatepost']}, {', '.join(facts['packages'])}")
        failed = "these failed, and have no figures from then on:\n" + "\n".join(self.failures) + "\n" if self.failures else ""
        os.makedirs(self.folder, exist_ok=True)
        with open(self.path("json"), "w") as file:
            json.dump({"facts": facts, "works": self.results, "memory": self.memory, "failures": self.failures},
                      file, indent=1)
            file.write("\n")
        with open(self.path("svg"), "w") as file:
            file.write(chart.draw(f"Gatepost and its peers, {facts['date']}, {facts['cores']} cores, "
                                  f"rounds: {facts['rounds']}", works.WORKS, self.results, self.memory))
        with open(self.path("txt"), "w") as file:
            file.write("\n".join(filter(None, [
                report.whole(heading, works.WORKS, self.results, self.memory), self.judged, failed])))


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, raise_signal)
    rounds = int(os.environ.get("ROUNDS", "3"))
    scale = float(os.environ.get("SCALE", "1"))
    only, names = ([word for word in os.environ.get(key, "").split(",") if word] for key in ("ONLY", "SERVERS"))
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    gatepost = os.path.realpath(os.environ.get("GATEPOST", f"{root}/.build/release/gatepost"))
    output = os.environ.get("OUTPUT", f"{root}/.build/compare")
    if unknown := set(only) - {"f", *(work.letter for work in works.WORKS)}:
        sys.exit(f"error: no such work: {', '.join(sorted(unknown))}")
    if unknown := set(names) - set(works.SESSIONS) - {"postfix"}:
        sys.exit(f"error: no such server: {', '.join(sorted(unknown))}")
    if os.geteuid() != 0:
        sys.exit("error: Postfix can only be started by root")
    # Idle sessions cost a descriptor each.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    outcome = Outcome(output, {"date": time.strftime("%Y-%m-%d", time.gmtime()), **machine(), "rounds": rounds,
                               "scale": scale, **versions(gatepost)})
    site = Surroundings(gatepost, USERS)
    try:
        note("starting PostgreSQL, Gatepost, Postfix, Dovecot, policyd-rate-limit, chasquid, a sink")
        with step("starting PostgreSQL, making certificates and users", 120):
            site.start()
        measure(site, rounds, only, names, scale, outcome)
    finally:
        # A second Ctrl-C must not keep anything alive.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        note("ending what was started")
        site.stop()
    outcome.write()
    print(outcome.judged)
    note(f"took {round(time.time() - outcome.begun)} s; {outcome.path('{txt,json,svg}')} written")
    if outcome.failures:
        sys.exit("error: these failed, and have no figures from then on:\n" + "\n".join(outcome.failures))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except RuntimeError as error:
        sys.exit(f"error: {error}")
