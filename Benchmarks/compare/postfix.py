"""Postfix with Dovecot's SASL over PostgreSQL, in private folders; its services differ in the quota and in holding.

Tuned for the best it can do: see the settings. The quota is policyd-rate-limit's, in PostgreSQL, as a day's limit far
above the load. A `held` service puts what it takes on hold, which costs it nothing more: what Gatepost does without a
forwarder.
"""

import os
import shutil
import signal

from processes import Child, answers, free_port, name_of, run, tree, wait_until
from surroundings import DOMAIN

DAEMON_SERVICES = """\
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""


class Dovecot:
    """`auth` alone: SQL against the shared PostgreSQL, no cache, a static userdb."""

    def __init__(self, site, socket_folder, owner):
        self.site, self.folder = site, site.path("dovecot")
        self.client = os.path.join(socket_folder, "auth")
        self.userdb = os.path.join(socket_folder, "auth-userdb")
        self.owner = owner

    def start(self):
        os.mkdir(self.folder)
        sql = self.site.write("dovecot-sql.conf", f"""\
driver = pgsql
connect = {self.site.url("mail")}
default_pass_scheme = SSHA256
password_query = SELECT username AS user, password FROM users WHERE username = '%u'
""", 0o600)
        settings = self.site.write("dovecot.conf", f"""\
base_dir = {self.folder}/run
state_dir = {self.folder}/state
log_path = {self.site.path("dovecot.log")}
protocols = none
listen = 127.0.0.1
ssl = no
auth_mechanisms = plain login
disable_plaintext_auth = no
passdb {{
  driver = sql
  args = {sql}
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}}
service auth {{
  client_limit = 8192
  unix_listener {self.client} {{
    mode = 0666
    user = {self.owner}
  }}
  unix_listener {self.userdb} {{
    mode = 0666
  }}
}}
service anvil {{
  client_limit = 8192
}}
""")
        self.child = Child(["dovecot", "-F", "-c", settings], self.site.path("dovecot.log"))
        self.site.add(self.child.stop)
        wait_until("Dovecot", lambda: self.child.check() or os.path.exists(self.client))


# It listens with a backlog of 5 and takes connections between commits: of 50 smtpd that come at once most would be told
# nothing and wait for TCP's repeats of 1, 3, 7, … s. Here they get the kernel's own limit.
WITH_BACKLOG = """\
import runpy, socket, sys
class Listener(socket.socket):
    def listen(self, backlog=0):
        super().listen(socket.SOMAXCONN)
socket.socket = Listener
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class RateLimit:
    """policyd-rate-limit with its rows in PostgreSQL."""

    def __init__(self, site):
        self.site, self.port = site, free_port()

    def start(self):
        self.site.sql("postgres", "CREATE DATABASE ratelimit")
        settings = self.site.write("policyd-rate-limit.yaml", f"""\
debug: False
user: root
group: root
pidfile: {self.site.path("policyd-rate-limit.pid")}
pgsql_config:
    database: ratelimit
    user: postgres
    host: {self.site.path("postgresql")}
backend: 2
SOCKET: ["127.0.0.1", {self.port}]
limits:
    - [100000000, 86400]
limits_by_id: {{}}
limit_by_sasl: True
limit_by_sender: False
limit_by_ip: False
limited_networks: []
success_action: "dunno"
fail_action: "defer_if_permit Rate limit reach, retry later"
db_error_action: "dunno"
report: False
delay_to_close: 300
""")
        self.child = Child(["/usr/bin/python3", "-W", "ignore", "-c", WITH_BACKLOG, "/usr/bin/policyd-rate-limit",
                            "--file", settings],
                           self.site.path("policyd-rate-limit.log"))
        self.site.add(self.child.stop)
        # It listens before its tables are there.
        wait_until("policyd-rate-limit", lambda: self.child.check() or (
            answers(self.port, None) and self.has_tables()))

    def has_tables(self):
        return self.site.sql("ratelimit", "SELECT to_regclass('mail_count_index') IS NOT NULL") == "t"

    def clear(self):
        """A new day: it counts the rows of the day at each recipient, and is not to pay for the rounds before."""
        self.site.sql("ratelimit", "SET lock_timeout = '20s'; TRUNCATE mail_count")


class Postfix:
    """One instance with all its services."""

    def __init__(self, site, sink_port):
        self.site, self.sink_port = site, sink_port
        self.configuration, self.queue = site.path("postfix"), site.path("postfix-queue")
        self.ports = {(quota, held): free_port() for quota in (True, False) for held in (True, False)}
        self.tls_port = free_port()

    def start(self):
        for folder in (self.configuration, self.queue, self.site.path("postfix-data")):
            os.mkdir(folder)
        shutil.chown(self.site.path("postfix-data"), "postfix")
        self.limits = RateLimit(self.site)
        self.limits.start()
        shutil.copy("/etc/postfix/postfix-files", self.configuration)
        self.write_settings()
        run("postfix", "-c", self.configuration, "check")
        self.dovecot = Dovecot(self.site, self.site.path("dovecot-sockets"), "postfix")
        os.mkdir(self.site.path("dovecot-sockets"))
        self.dovecot.start()
        self.child = Child(["postfix", "-c", self.configuration, "start-fg"], self.site.path("postfix-start.log"))
        # The script in front passes no signal on: its master is told.
        self.site.add(self.stop)
        wait_until("Postfix", lambda: self.child.check() or all(answers(port) for port in self.ports.values()))

    def stop(self):
        for pid in tree([self.child.pid]):
            if name_of(pid) == "master":
                os.kill(pid, signal.SIGTERM)
        self.child.stop()

    def write_settings(self):
        self.site.write("postfix/main.cf", f"""\
compatibility_level = 3.6
queue_directory = {self.queue}
data_directory = {self.site.path("postfix-data")}
maillog_file = {self.site.path("postfix.log")}
maillog_file_prefixes = {self.site.folder}
myhostname = postfix.{DOMAIN}
mydestination =
mynetworks =
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
relayhost = [127.0.0.1]:{self.sink_port}
smtp_tls_security_level = none
smtp_dns_support_level = disabled
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_chain_files = {self.site.path("pki/server.key")}, {self.site.path("pki/server.pem")}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {self.site.path("dovecot-sockets/auth")}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_peername_lookup = no
message_size_limit = 52428800
mailbox_size_limit = 0
in_flow_delay = 0
max_use = 1000
default_process_limit = 1200
default_destination_concurrency_limit = 50
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_event_limit_exceptions = 127.0.0.0/8
""")
        services = []
        for (quota, held), port in self.ports.items():
            checks = []
            if quota:
                checks.append(f"check_policy_service,inet:127.0.0.1:{self.limits.port}")
            if held:
                checks.append("check_client_access,static:HOLD")
            checks.append("permit_sasl_authenticated,reject")
            services.append(f"127.0.0.1:{port} inet n - n - 1200 smtpd\n"
                            f"  -o smtpd_recipient_restrictions={','.join(checks)}\n")
        self.site.write("postfix/master.cf", "".join(services) + DAEMON_SERVICES)

    @property
    def roots(self):
        return [self.child.pid, self.dovecot.child.pid, self.limits.child.pid]

    def queued(self, *names):
        """Messages in its queues, by counting files."""
        return sum(len(files) for name in names or ("maildrop", "incoming", "active", "deferred")
                   for _, _, files in os.walk(f"{self.queue}/{name}"))

    def give_up(self):
        """After a failure: what is queued would go on in the next one's time."""
        run("postsuper", "-c", self.configuration, "-d", "ALL")

    def drop_held(self):
        # What was put on hold last may be on its way from incoming.
        wait_until("Postfix's cleanup", lambda: self.queued("maildrop", "incoming", "active") == 0, 60)
        run("postsuper", "-c", self.configuration, "-d", "ALL", "hold")


class PostfixService:
    """One of its services, as a server to be compared."""

    has_processes = True  # one for each session
    most_at_once = None  # as many as come

    def __init__(self, postfix, quota, held):
        self.postfix, self.has_quota, self.held = postfix, quota, held
        self.name = "postfix-quota" if quota else "postfix"
        self.port = postfix.ports[quota, held]
        self.secret_file = postfix.site.path("secret")

    def username(self, number):
        return f"u{number}@{DOMAIN}"

    @property
    def roots(self):
        return self.postfix.roots

    def give_up(self):
        self.postfix.give_up()

    def between_rounds(self):
        if self.held:
            self.postfix.drop_held()
        else:
            wait_until("Postfix's queue to drain", lambda: self.postfix.queued() == 0, 120)
        self.postfix.limits.clear()
