"""THREATS on the wire: what hostile and broken clients send, and what must be answered.

usage: threats.py SECTION PORT TLS_PORT CA USERNAME SECRET_FILE SENDER REVOKED_USERNAME

Runs the cases of one section (§1 … §6), each over a connection of its own from a loopback address of its own, and
prints a JSON line for each: its row, whether the answer was right, what was wrong, and the subjects of the messages
that it had accepted. Whatever else is stored afterwards should not be.
"""

import concurrent.futures
import hashlib
import importlib
import json

from threat_client import cases, section

MODULES = {"§1": "framing", "§2": "tls", "§3": "auth", "§4": "order", "§5": "envelope", "§6": "content"}
importlib.import_module("threat_" + MODULES[section])


def run(one):
    where, name, function = one
    token = f"threat{section[-1]}-{hashlib.sha256((where + name).encode()).hexdigest()[:12]}"
    try:
        stored = function(token) or []
        return {"row": f"{where}: {name}", "ok": True, "stored": stored}
    except Exception as error:  # noqa: BLE001: whatever went wrong is the finding
        return {"row": f"{where}: {name}", "ok": False, "stored": [], "wrong": f"{type(error).__name__}: {error}"}


with concurrent.futures.ThreadPoolExecutor(8) as pool:
    for result in pool.map(run, cases):
        print(json.dumps(result))
