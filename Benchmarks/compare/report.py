"""Tables of what was measured, and the same as JSON."""

from statistics import median

GROUPS = ("server", "postgresql", "client", "sink")


def ratios(results, ours, theirs, key="rate"):
    """Ours over theirs, round by round: least, median, largest."""
    each = sorted(a[key] / b[key] for a, b in zip(results[ours], results[theirs]) if b[key])
    return (each[0], median(each), each[-1]) if each else None


def middle(rounds, *keys):
    values = []
    for value in rounds:
        for key in keys:
            value = value.get(key) if value is not None else None
        if value is not None:
            values.append(value)
    return median(values) if values else None


def number(value, digits=0):
    return "-" if value is None else f"{value:.{digits}f}"


def rows(header, lines):
    """Columns as wide as they need to be; the first to the left, the others to the right."""
    table = [header] + lines
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    return "\n".join("  ".join(
        cell.ljust(width) if column == 0 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in table)


def table(title, results, ours="gatepost"):
    """Of one work: `results` has a list of rounds for each server."""
    header = ["", "messages/s", "p50 ms", "p99 ms"] + [f"{group} CPU us" for group in GROUPS] + [
        f"{ours}'s ratio: least", "median", "largest"]
    lines = []
    for name, rounds in results.items():
        line = [name, number(middle(rounds, "rate"), 0 if middle(rounds, "rate") > 100 else 1),
                number(middle(rounds, "p50_ms"), 1), number(middle(rounds, "p99_ms"), 1)]
        line += [number(middle(rounds, "cpu_us", group)) for group in GROUPS]
        found = None if name == ours or ours not in results else ratios(results, ours, name)
        line += [number(value, 2) for value in found] if found else ["", "", ""]
        lines.append(line)
    return f"{title}\n{rows(header, lines)}\n"


def memory(found):
    header = ["", "sessions", "KiB a session", "PSS before, MiB", "with them", "after", "after/before"]
    lines = [[name, str(each["sessions"]), number(each["kib_per_session"], 1), number(each["before_kib"] / 1024, 1),
              number(each["during_kib"] / 1024, 1), number(each["after_kib"] / 1024, 1),
              number(each["after_over_before"], 2)] for name, each in found.items()]
    return f"f  idle authenticated TLS sessions, each after a message of 200 kB\n{rows(header, lines)}\n"


def whole(heading, works, results, found):
    parts = [heading] + [table(f"{work.letter}  {work.title}", results[work.letter])
                         for work in works if work.letter in results]
    refused = [f"{letter} {name}: {sum(each['refused'] for each in rounds)} refused, {', '.join(sorted(codes))}"
               for letter, by_name in results.items() for name, rounds in by_name.items()
               if (codes := {code for each in rounds for code in each["refusals"]})]
    limited = [f"{letter} {name}: {rounds[0]['at_once']}" for letter, by_name in results.items()
               for name, rounds in by_name.items() if rounds[0].get("at_once")]
    if found:
        parts.append(memory(found))
    if limited:
        parts.append("given no more than so many messages at a time, for its queue holds no more; the next ones when it is "
                     "empty, and the time between counts\nfor no rate (latencies: the middle ones of these parts; CPU: all of "
                     "it, delivery too):\n" + "\n".join(limited) + "\n")
    if refused:
        parts.append("refused meanwhile (not counted):\n" + "\n".join(refused) + "\n")
    return "\n\n".join(parts)
