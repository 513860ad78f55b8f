"""What all servers of a comparison share: a folder, a PostgreSQL, a certificate, users, a sink."""

import base64
import hashlib
import os
import shutil
import signal
import tempfile

from processes import Child, note, run, step, wait_until

DOMAIN = "bench.example"
SECRET = "a-secret-of-the-comparison"


def postgresql_programs():
    versions = sorted(os.listdir("/usr/lib/postgresql"), key=int)
    return f"/usr/lib/postgresql/{versions[-1]}/bin"


class Surroundings:
    """Made first, ended last."""

    def __init__(self, gatepost, users):
        self.gatepost = gatepost
        self.users = users
        self.folder = tempfile.mkdtemp(prefix="gatepost-compare.", dir=os.environ.get("TMPDIR", "/tmp"))
        os.chmod(self.folder, 0o755)
        self.programs = postgresql_programs()
        self.database = None
        self.parts = []

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def start(self):
        self.start_postgresql()
        self.make_certificates()
        self.make_users()

    def add(self, part):
        """`part` is stopped before everything that was added earlier."""
        self.parts.append(part)
        return part

    def start_postgresql(self):
        """Durable as it comes: fsync and synchronous_commit are on by default."""
        os.mkdir(self.path("postgresql"))
        shutil.chown(self.path("postgresql"), "postgres")
        as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig", "INT"]
        data = self.path("postgresql", "data")
        run(*as_postgres, f"{self.programs}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
            "--locale=C.UTF-8", "--no-sync", cwd="/")
        self.database = Child(
            as_postgres + [
                f"{self.programs}/postgres", "-D", data, "-k", self.path("postgresql"), "-c", "listen_addresses=",
                "-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB", "-c", "max_connections=200"],
            self.path("postgresql.log"), ending=signal.SIGINT, cwd="/")  # the fast shutdown, which ends sessions
        self.add(self.database.stop)
        wait_until("PostgreSQL", lambda: self.database.check() or self.is_up())

    def is_up(self):
        try:
            self.sql("postgres", "SELECT 1")
            return True
        except RuntimeError:
            return False

    def url(self, database, role="postgres"):
        return f"host={self.path('postgresql')} user={role} dbname={database}"

    def sql(self, database, text):
        return run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", text, self.url(database)).strip()

    def make_certificates(self):
        """All servers show the same one, ECDSA P-256."""
        settings = self.write("pki.yaml", f"pki:\n  directory: {self.path('pki')}\n", 0o600)
        for words in (["init"], ["issue", "server", "--kind", "server", "--host", "localhost", "--host", "127.0.0.1"],
                      ["issue", "relay", "--kind", "relay", "--host", "127.0.0.1"],
                      ["issue", "forwarder", "--kind", "forwarder"]):
            run(self.gatepost, "ca", *words, "--config", settings)

    def make_users(self):
        """The peers' users, with the cheapest of Dovecot's salted hashes: u1@… to uN@…, one secret."""
        rows = []
        for number in range(1, self.users + 1):
            salt = os.urandom(4)
            digest = hashlib.sha256(SECRET.encode() + salt).digest() + salt
            rows.append(f"u{number}@{DOMAIN}\t{{SSHA256}}{base64.b64encode(digest).decode()}")
        self.sql("postgres", "CREATE DATABASE mail")
        self.sql("mail", "CREATE TABLE users (username text PRIMARY KEY, password text NOT NULL)")
        file = self.write("users", "\n".join(rows) + "\n")
        run("psql", "-X", "-q", "-c", f"\\copy users FROM '{file}'", "-c", "VACUUM ANALYZE users", self.url("mail"))
        self.write("secret", SECRET + "\n", 0o600)

    def stop(self):
        while self.parts:
            part = self.parts.pop()
            try:
                with step("ending a part of it", 60):
                    part()
            except Exception as error:  # the others must still be ended
                note(f"while ending: {error}")
        if os.environ.get("KEEP"):
            note(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
