"""The figures as an SVG: a panel for each work, bars of medians with the least and the largest round."""

from html import escape

from report import middle, ratios

COLOURS = {"gatepost": "#1b6ca8", "postfix-quota": "#c8553d", "postfix": "#e0a458", "chasquid": "#6a994e"}
NAMES = {"gatepost": "Gatepost", "postfix-quota": "Postfix, quota", "postfix": "Postfix, no quota"}
WIDTH, PANEL, BAR, LEFT, RIGHT = 920, 34, 22, 150, 260
FONT = "font-family='DejaVu Sans, Verdana, sans-serif'"


def text(x, y, words, size=13, anchor="start", weight="normal", colour="#222"):
    return (f"<text x='{x:.0f}' y='{y:.0f}' {FONT} font-size='{size}' text-anchor='{anchor}' font-weight='{weight}'"
            f" fill='{colour}'>{escape(words)}</text>")


def bars(top, title, values, unit):
    """`values`: name, median, least, largest, and what is said behind the bar."""
    out = [text(16, top + 20, title, 14, weight="bold")]
    most = max((each[3] for each in values), default=0) or 1
    scale = (WIDTH - LEFT - RIGHT) / most
    y = top + PANEL
    for name, value, least, largest, note in values:
        out.append(text(LEFT - 8, y + 13, NAMES.get(name, name), anchor="end"))
        out.append(f"<rect x='{LEFT}' y='{y}' width='{max(value * scale, 1):.1f}' height='{BAR - 5}'"
                   f" fill='{COLOURS.get(name, '#888')}'/>")
        if largest > least:
            middle_y = y + (BAR - 5) / 2
            ends = "".join(f" M{LEFT + end * scale:.1f} {middle_y - 4:.1f} v8" for end in (least, largest))
            out.append(f"<path d='M{LEFT + least * scale:.1f} {middle_y:.1f} H{LEFT + largest * scale:.1f}{ends}'"
                       f" stroke='#111' stroke-width='1.5' fill='none'/>")
        shown = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
        out.append(text(LEFT + largest * scale + 8, y + 13, f"{shown}{unit}{note}", 12))
        y += BAR
    return out, y + 14


def draw(heading, works, results, memory):
    out, y = [text(16, 30, heading, 16, weight="bold"),
              text(16, 50, "bars: medians; lines: from the least to the largest round; ×: Gatepost's rate over theirs, round by"
                   " round, median", 12, colour="#555")], 60
    for work in works:
        rounds = results.get(work.letter)
        if not rounds:
            continue
        values = []
        for name, each in rounds.items():
            rates = [one["rate"] for one in each]
            p99 = middle(each, "p99_ms")
            waited = f"{p99:.0f} ms" if p99 < 1000 else f"{p99 / 1000:.1f} s"
            over = ratios(rounds, "gatepost", name) if name != "gatepost" and "gatepost" in rounds else None
            values.append((name, middle(each, "rate"), min(rates), max(rates),
                           f", p99 {waited}" + (f", {over[1]:.1f}×" if over else "")))
        part, y = bars(y, f"{work.letter}  {work.title} (more is better)", values, "/s")
        out += part
    if memory:
        values = [(name, each["kib_per_session"], each["kib_per_session"], each["kib_per_session"],
                   f" ({each['sessions']:,} sessions)") for name, each in memory.items()]
        part, y = bars(y, "f  memory of an idle TLS session after a 200 kB message (PSS; less is better)", values, " KiB")
        out += part
    return (f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{y}' viewBox='0 0 {WIDTH} {y}'>"
            f"<rect width='{WIDTH}' height='{y}' fill='white'/>{''.join(out)}</svg>\n")
