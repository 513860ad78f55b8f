"""The works of a comparison: what each server is given to do, and how much of it."""

import time

from load import Idle, measure, smtp
from processes import note, proportional_kib, step


class Work:
    """`messages`: for each server by name, so that a round takes each a few seconds. `fills`: faster than it is delivered,
    so that who holds few messages (`most_at_once`) is given no more than these at a time. `at_once`: by name, who gets no
    more than these at a time in this work."""

    def __init__(self, letter, title, messages, options=(), flowing=False, new_users=False, fills=False, at_once=None,
                 **more):
        self.letter, self.title, self.messages, self.at_once = letter, title, messages, at_once or {}
        self.options, self.flowing, self.new_users, self.fills, self.more = options, flowing, new_users, fills, more


WORKS = [
    Work("a", "accepted, 50 connections kept open, 10 kB, delivery held",
         {"gatepost": 12000, "postfix-quota": 2500, "postfix": 3000, "chasquid": 1560}, fills=True),
    Work("b", "accepted and delivered to the sink, 50 connections kept open, 10 kB",
         {"gatepost": 8000, "postfix-quota": 1600, "postfix": 1800, "chasquid": 1560}, fills=True, flowing=True,
         delivered=True),
    Work("c", "one message a connection: connect, STARTTLS, AUTH PLAIN, 10 kB; every user new",
         {"gatepost": 3000, "postfix-quota": 900, "postfix": 900, "chasquid": 1000}, new_users=True,
         options=("--messages-per-connection", "1")),
    Work("d", "100 kB messages, 50 connections kept open, delivery held",
         {"gatepost": 3000, "postfix-quota": 1200, "postfix": 1500, "chasquid": 1170}, fills=True, size=100000),
    # As relays and libraries send so many where PIPELINING is offered, which all of them do: without it this is a work of
    # a hundred round trips. Chasquid loses the commands that come together with a message's last octets (it reads ahead
    # and throws away what is not the message), so that each connection has one message at a time of it.
    Work("e", "100 recipients a message, pipelined, 50 connections kept open, 10 kB, delivery held",
         {"gatepost": 3000, "postfix-quota": 50, "postfix": 250, "chasquid": 150}, at_once={"chasquid": 50},
         options=("--recipients", "100", "--pipeline")),
]
SHORT = {"a": "accepted, 50 kept open", "b": "accepted and delivered", "c": "one message a connection",
         "d": "100 kB messages", "e": "100 recipients"}
# For one server in one round, warming and draining included: more means that something is wrong.
SECONDS = 240
SESSIONS = {"gatepost": 5000, "postfix-quota": 500, "chasquid": 1000}


class Users:
    """Users that nobody has been yet, for the work that wants new ones."""

    def __init__(self, last):
        self.next, self.last = {}, last

    def take(self, server, count):
        first = self.next.get(server.name, 51)
        if first + count > self.last:
            # Better one twice than none: only the first round of a long run has new ones then.
            first = 51
        self.next[server.name] = first + count
        return range(first, first + count)


def warm(site, server, work, messages):
    """All sessions at once on the port under test. What is idle for long is ended by some, Postfix's processes and their
    connections to the quota among it: so there is some of it before each round."""
    smtp(site, server, messages, size=work.more.get("size", 10000))
    server.between_rounds()


def one(site, work, server, sink, users, scale):
    messages = max(20 if work.letter == "e" else 50, int(work.messages[server.name] * scale))
    warm(site, server, work, 200)
    site.sql("postgres", "CHECKPOINT")
    more = dict(work.more)
    if work.new_users:
        more["logins"] = users.take(server, messages)
    at_once = work.at_once.get(server.name) or (server.most_at_once if work.fills else None)
    result = measure(site, server, sink, messages, *work.options, at_once=at_once, **more)
    if result["accepted"] < result["offered"] / 2:
        raise RuntimeError(f"only {result['accepted']} of {result['offered']} accepted: {result['refusals']}")
    return result


def run(site, work, servers, sink, users, rounds, scale, failed):
    """Who fails is out of this work, by `failed`; the others go on."""
    results, left = {server.name: [] for server in servers}, list(servers)

    def attempt(what, server, action):
        try:
            with step(f"{work.letter}, {what}, {server.name}", SECONDS):
                return action()
        except RuntimeError as error:
            note(f"{work.letter}, {what}, {server.name} FAILED: {error}")
            failed(f"{work.letter}, {what}, {server.name}: {error}")
            left.remove(server)
            try:
                server.give_up()
            except RuntimeError as second:
                note(f"{server.name}, giving up what is queued: {second}")
            return None

    for server in servers:
        attempt("warming", server, lambda: warm(site, server, work, 500))
    for number in range(rounds):
        # Whoever goes first has the cleaner caches: they take turns in that too.
        for server in list(left) if number % 2 == 0 else list(reversed(left)):
            begun, what = time.monotonic(), f"round {number + 1} of {rounds}"
            result = attempt(what, server, lambda: one(site, work, server, sink, users, scale))
            if result is None:
                continue
            results[server.name].append(result)
            attempt(what + ", draining", server, server.between_rounds)
            note(f"{work.letter} {number + 1}/{rounds} {server.name}: {result['rate']:.1f}/s, p99 {result['p99_ms']:.1f}"
                 f" ms" + (f", refused {result['refused']}" if result["refused"] else "")
                 + f"; {time.monotonic() - begun:.0f} s in all")
    return {name: each for name, each in results.items() if each}


def memory(site, servers, scale, failed):
    found = {}
    for server in servers:
        try:
            with step(f"f, {server.name}", SECONDS):
                found[server.name] = memory_of(site, server, max(50, int(SESSIONS[server.name] * min(scale, 1))))
        except RuntimeError as error:
            note(f"f, {server.name} FAILED: {error}")
            failed(f"f, {server.name}: {error}")
    return found


def settled(server):
    """Its PSS once that stands still: freed memory is given back with a delay."""
    last, still = proportional_kib(server.roots), 0
    for _ in range(15):
        time.sleep(2)
        now = proportional_kib(server.roots)
        still = still + 1 if abs(now - last) <= last / 50 else 0
        last = now
        if still == 3:
            break
    return last


def memory_of(site, server, sessions, size=200000):
    """PSS of each idle session, and how much of it is left after they have closed."""
    begun = time.monotonic()
    # What the first messages leave for good is no session's. Where a session is a process, two connections: those that a
    # wider warm-up left would be counted as there before.
    wide = not server.has_processes
    smtp(site, server, 2000 if wide and sessions >= 1000 else 200, size=size, connections=50 if wide else 2)
    server.between_rounds()
    before = settled(server)
    # Who refuses what its queue cannot hold is given no more at a time; those who have sent theirs stay.
    idle, left = [], sessions
    try:
        while left > 0:
            count = min(left, server.most_at_once or left)
            idle.append(Idle(site, server, count, size))
            idle[-1].wait()
            left -= count
            if left > 0:
                server.between_rounds()
        during = settled(server)
    finally:
        results = [each.end() or {} for each in idle]
    result = {name: sum(each.get(name, 0) for each in results) for name in ("accepted", "refused")}
    result["refusals"] = [each["refusals"] for each in results if each.get("refusals")]
    # Who was told to come again later stands there all the same; the figures say how many.
    if result["accepted"] < sessions * 0.9:
        raise RuntimeError(f"only {result['accepted']} of {sessions} sent their message: {result}")
    after = settled(server)
    server.between_rounds()
    note(f"f {server.name}: {(during - before) / sessions:.1f} KiB for each of {sessions} sessions"
         + (f", refused {result['refused']}: {result['refusals']}" if result["refused"] else "") + ";"
         f" {time.monotonic() - begun:.0f} s in all")
    return {"sessions": sessions, "accepted": result["accepted"], "refused": result["refused"],
            "refusals": result["refusals"], "before_kib": before, "during_kib": during, "after_kib": after,
            "kib_per_session": (during - before) / sessions, "after_over_before": after / max(before, 1)}
