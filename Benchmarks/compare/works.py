"""The works of a comparison: what each server is given to do, and how much of it."""

import time

from load import Idle, measure, smtp
from processes import note, proportional_kib


class Work:
    """`messages`: for each server by name, so that a round takes each a few seconds."""

    def __init__(self, letter, title, messages, options=(), flowing=False, new_users=False, **more):
        self.letter, self.title, self.messages = letter, title, messages
        self.options, self.flowing, self.new_users, self.more = options, flowing, new_users, more


WORKS = [
    Work("a", "accepted, 50 connections kept open, 10 kB, delivery held",
         {"gatepost": 12000, "postfix-quota": 2500, "postfix": 3000, "chasquid": 2500}),
    Work("b", "accepted and delivered to the sink, 50 connections kept open, 10 kB",
         {"gatepost": 8000, "postfix-quota": 1600, "postfix": 1800, "chasquid": 2500}, flowing=True, delivered=True),
    Work("c", "one message a connection: connect, STARTTLS, AUTH PLAIN, 10 kB; every user new",
         {"gatepost": 3000, "postfix-quota": 900, "postfix": 900, "chasquid": 1000}, new_users=True,
         options=("--messages-per-connection", "1")),
    Work("d", "100 kB messages, 50 connections kept open, delivery held",
         {"gatepost": 3000, "postfix-quota": 1200, "postfix": 1500, "chasquid": 1200}, size=100000),
    Work("e", "100 recipients a message, 50 connections kept open, 10 kB, delivery held",
         {"gatepost": 800, "postfix-quota": 50, "postfix": 250, "chasquid": 60}, options=("--recipients", "100")),
]
SHORT = {"a": "accepted, 50 kept open", "b": "accepted and delivered", "c": "one message a connection",
         "d": "100 kB messages", "e": "100 recipients"}
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


def warm(site, server, work, sink):
    """All sessions at once on the port under test, 500 messages; 100 recipients make them fewer."""
    smtp(site, server, 50 if work.letter == "e" else 500, *[each for each in work.options if work.letter == "e"],
         size=work.more.get("size", 10000))
    server.between_rounds()


def run(site, work, servers, sink, users, rounds, scale):
    results = {server.name: [] for server in servers}
    for server in servers:
        warm(site, server, work, sink)
    for number in range(rounds):
        # Whoever goes first has the cleaner caches: they take turns in that too.
        for server in servers if number % 2 == 0 else reversed(servers):
            messages = max(20, int(work.messages[server.name] * scale))
            site.sql("postgres", "CHECKPOINT")
            more = dict(work.more)
            if work.new_users:
                more["logins"] = users.take(server, messages)
            result = measure(site, server, sink, messages, *work.options, **more)
            results[server.name].append(result)
            note(f"{work.letter} {number + 1}/{rounds} {server.name}: {result['rate']:.1f}/s, p99 {result['p99_ms']:.1f}"
                 f" ms" + (f", refused {result['refused']}" if result["refused"] else ""))
            server.between_rounds()
    return results


def memory(site, servers, scale, size=200000):
    """PSS of each idle session, and how much of it is left after they have closed."""
    found = {}
    for server in servers:
        sessions = max(50, int(SESSIONS[server.name] * min(scale, 1)))
        # Two connections: processes that a wider warm-up left would be counted as there before.
        smtp(site, server, 200, size=size, connections=2)
        server.between_rounds()
        time.sleep(3)
        before = proportional_kib(server.roots)
        idle = Idle(site, server, sessions, size)
        idle.wait()
        time.sleep(2)
        during = proportional_kib(server.roots)
        result = idle.end() or {}
        time.sleep(5)
        after = proportional_kib(server.roots)
        found[server.name] = {
            "sessions": sessions, "stood": result.get("sessions"), "accepted": result.get("accepted"),
            "before_kib": before, "during_kib": during, "after_kib": after,
            "kib_per_session": (during - before) / sessions, "after_over_before": after / max(before, 1)}
        note(f"f {server.name}: {(during - before) / sessions:.1f} KiB for each of {sessions} sessions")
        server.between_rounds()
    return found
