"""The matrix as a table in Markdown, from the lines that `matrix.py` prints. usage: matrix_table.py FILE"""

import json
import sys

KINDS = {"plain": "plain", "8bit": "8-bit", "utf8": "UTF-8 addresses", "large": "20 MB", "hundred": "100 recipients",
         "bdat": "BDAT", "dsn": "DSN"}
DOORS = {"starttls": "587", "implicit": "465"}

clients = {}
for line in open(sys.argv[1]):
    found = json.loads(line)
    clients.setdefault(found["client"], []).append(found)

print("| client | " + " | ".join(DOORS.values()) + " | " + " | ".join(KINDS.values()) + " |")
print("| --- |" + " --- |" * (len(DOORS) + len(KINDS)))
cells = failed = 0
for client, found in clients.items():
    cells += len(found)
    failed += sum(not one["ok"] for one in found)
    row = [f"{client} {found[0]['version']}"]
    for door in DOORS:
        row.append(", ".join(dict.fromkeys(one["mechanism"] for one in found if one["door"] == door)) or "–")
    for kind in KINDS:
        of_kind = [one for one in found if one["kind"] == kind]
        row.append("–" if not of_kind else "yes" if all(one["ok"] for one in of_kind) else "**no**")
    print("| " + " | ".join(row) + " |")
print(f"\n{cells} cells, {failed} failed")
sys.exit(failed > 0)
