"""Gatepost as it is shipped: caps, ledger, sender policy and resubmission on, one database of the shared PostgreSQL."""

import json

from processes import Child, answers, free_port, run, wait_until
from surroundings import DOMAIN


class Gatepost:
    """`roles`: submission alone is what `relay held` means; all three, in one process as `gatepost serve` has them where
    nothing is said, send mail on to the sink."""

    name = "gatepost"
    has_processes = False
    has_quota = True
    most_at_once = None  # as many as come

    def __init__(self, site, database, roles, sink_port):
        self.site, self.database, self.roles = site, database, roles
        self.port, self.tls_port, relay_port = free_port(), free_port(), free_port()
        self.settings = site.write(f"{database}.yaml", f"""\
database:
  url: "{site.url(self.database, 'gatepost_node')}"
  admin-url: "{site.url(self.database, 'gatepost_admin')}"
  owner-url: "{site.url(self.database)}"
submission:
  listen: ["127.0.0.1:{self.port}"]
  listen-tls: ["127.0.0.1:{self.tls_port}"]
  hostname: gatepost.{DOMAIN}
  certificate: {site.path('pki/server.pem')}
  private-key: {site.path('pki/server.key')}
  max-connections: 20000
forwarder:
  certificate: {site.path('pki/forwarder.pem')}
  private-key: {site.path('pki/forwarder.key')}
  authorities: {site.path('pki/ca.pem')}
  connections-per-member: 50
relay:
  listen: ["127.0.0.1:{relay_port}"]
  hostname: relay.{DOMAIN}
  certificate: {site.path('pki/relay.pem')}
  private-key: {site.path('pki/relay.key')}
  authorities: {site.path('pki/ca.pem')}
  route: smarthost
  smarthost: "127.0.0.1:{sink_port}"
  smarthost-tls: none
  smarthost-connections: 50
pki:
  directory: {site.path('pki')}
""", 0o600)
        self.relay_port = relay_port
        self.children = []

    def command(self, *words):
        return run(self.site.gatepost, *words, "--config", self.settings)

    def start(self):
        self.site.sql("postgres", f"CREATE DATABASE {self.database}")
        self.command("migrate")
        # A cap on everything, far above the load: each accept is checked against it and debited.
        self.command("tenant", "create", "bench", "--daily", "100000000", "--monthly", "1000000000",
                     "--sessions", "unlimited")
        self.command("domain", "add", "bench", DOMAIN, "--trust")
        issued = json.loads(self.command("credential", "issue", "bench", "--json"))
        self.issued = issued["username"]
        self.secret_file = self.site.write(f"{self.database}.secret", issued["secret"] + "\n", 0o600)
        self.secret = issued["secret"]
        self.copy_credential()
        self.command("relay", "add", "default", f"127.0.0.1:{self.relay_port}")
        options = ["--role", *self.roles] if len(self.roles) == 1 else []
        child = Child([self.site.gatepost, "serve", *options, "--config", self.settings],
                      self.site.path(f"{self.database}.log"))
        self.site.add(child.stop)
        self.children.append(child)
        wait_until(self.database, lambda: all(child.check() is None for child in self.children) and answers(self.port))

    def copy_credential(self):
        """One credential for each user: what the command issued, under other names."""
        self.site.sql(self.database, f"""
            INSERT INTO gatepost.credential (tenant_id, name)
            SELECT c.tenant_id, 'bench.load' || n FROM gatepost.credential c, generate_series(1, {self.site.users}) AS n
            WHERE c.name = '{self.issued}';
            INSERT INTO gatepost.login (tenant_id, credential_id, name, verifier, digest)
            SELECT c.tenant_id, c.id, c.name, l.verifier, l.digest FROM gatepost.credential c, gatepost.login l
            WHERE c.name LIKE 'bench.load%' AND l.name = '{self.issued}'""")

    def username(self, number):
        return f"bench.load{number}"

    @property
    def roots(self):
        return [child.pid for child in self.children]

    def give_up(self):
        pass

    def between_rounds(self):
        """What is still on its way would arrive in the next round's figures."""
        if "forwarder" in self.roles:
            wait_until("Gatepost's queue to drain", lambda: self.site.sql(
                self.database, "SELECT NOT EXISTS (SELECT FROM gatepost.recipient WHERE final_at IS NULL)") == "t", 120)
