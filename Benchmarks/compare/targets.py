"""What Gatepost is to reach, and what it reached: medians of the ratios round by round."""

from report import middle, number, ratios, rows

# Work, peer, at least so many times its rate.
RATES = [("a", "postfix-quota", 7), ("a", "chasquid", 5), ("b", "postfix-quota", 5), ("b", "chasquid", 2.5),
         ("c", "postfix-quota", 3.5), ("c", "chasquid", 3), ("d", "postfix-quota", 2), ("d", "chasquid", 2),
         ("e", "postfix-quota", 10), ("e", "postfix", 10), ("e", "chasquid", 10)]
KIB_PER_SESSION = 24
AFTER_OVER_BEFORE = 2


def judged(results, memory, titles):
    """Each: what, the target, what was measured, whether it is reached."""
    out = []
    for letter, peer, wanted in RATES:
        of_work = results.get(letter, {})
        found = ratios(of_work, "gatepost", peer) if peer in of_work and "gatepost" in of_work else None
        if found:
            least, middle_one, largest = found
            out.append((f"{titles[letter]}: rate, times {peer}'s", f"{wanted:g}",
                        f"{middle_one:.1f} ({least:.1f} to {largest:.1f})", middle_one >= wanted))
    if "gatepost" in results.get("a", {}) and len(results["a"]) > 1:
        p99 = {name: middle(rounds, "p99_ms") for name, rounds in results["a"].items()}
        best = min(value for name, value in p99.items() if name != "gatepost")
        out.append((f"{titles['a']}: p99, ms, no worse than the best peer's", number(best, 1),
                    number(p99["gatepost"], 1), p99["gatepost"] <= best))
        spent = {group: middle(results["a"]["gatepost"], "cpu_us", group) for group in ("server", "postgresql")}
        out.append((f"{titles['a']}: the server's CPU us a message, at most PostgreSQL's",
                    number(spent["postgresql"]), number(spent["server"]), spent["server"] <= spent["postgresql"]))
    if "gatepost" in memory:
        own = memory["gatepost"]
        out.append(("memory of an idle session, KiB, at most", str(KIB_PER_SESSION),
                    number(own["kib_per_session"], 1), own["kib_per_session"] <= KIB_PER_SESSION))
        out.append(("memory when they have closed, times that at the start, at most", str(AFTER_OVER_BEFORE),
                    number(own["after_over_before"], 2), own["after_over_before"] <= AFTER_OVER_BEFORE))
    return out


def table(results, memory, titles):
    lines = [[what, wanted, found, "reached" if is_reached else "MISSED"]
             for what, wanted, found, is_reached in judged(results, memory, titles)]
    return f"targets\n{rows(['', 'target', 'measured', ''], lines)}\n" if lines else ""
