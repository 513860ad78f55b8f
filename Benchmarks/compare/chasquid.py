"""chasquid out of its Debian package, which conflicts with Postfix: unpacked into a folder and run from there, in a mount
namespace with its own /etc/resolv.conf and /etc/hosts. Its users are Dovecot's; its outgoing port is the sink's."""

import os
import shutil

from processes import Child, answers, free_port, run, wait_until
from surroundings import DOMAIN

# A loopback address of nobody else's: port 53 cannot be chosen freely.
RESOLVER = f"127.{os.getpid() % 250 + 1}.53.1"


class Names:
    """nsd with one zone: example.net's mail goes to the sink's address. chasquid asks for each recipient, thousands at once:
    what is dropped or late would be deferred for a minute."""

    def __init__(self, site):
        self.site = site

    def start(self):
        self.site.write("example.net.zone", """\
$ORIGIN example.net.
$TTL 3600
@ SOA sink.example.net. hostmaster.example.net. 1 3600 3600 3600 3600
@ NS sink
@ MX 10 sink
sink A 127.0.0.1
""")
        settings = self.site.write("nsd.conf", f"""\
server:
  server-count: 2
  receive-buffer-size: 8388608
  ip-address: {RESOLVER}
  port: 53
  username: ""
  chroot: ""
  database: ""
  zonesdir: "{self.site.folder}"
  pidfile: "{self.site.path('nsd.pid')}"
  xfrdfile: "{self.site.path('nsd.xfrd')}"
  xfrdir: "{self.site.folder}"
  zonelistfile: "{self.site.path('nsd.zones')}"
remote-control:
  control-enable: no
zone:
  name: example.net
  zonefile: example.net.zone
""")
        child = Child(["nsd", "-d", "-c", settings], self.site.path("nsd.log"))
        self.site.add(child.stop)
        wait_until("nsd", lambda: child.check() or self.is_up())

    @staticmethod
    def is_up():
        import socket
        try:
            with socket.create_connection((RESOLVER, 53), timeout=1):
                return True
        except OSError:
            return False


class Chasquid:
    name = "chasquid"
    has_processes = False
    has_quota = False
    held = False
    # Its queue holds 200 (`maxQueueSize`); further ones are refused after their last octet, and the third refusal ends a
    # connection: most of its time would go into refusing. It cannot be told to hold mail back either, so that these are
    # accepted while it delivers, as much of it as comes to pass meanwhile.
    most_at_once = 195

    def __init__(self, site, dovecot, sink_port):
        self.site, self.dovecot, self.sink_port = site, dovecot, sink_port
        self.port, self.tls_port = free_port(), free_port()
        self.secret_file = site.path("secret")

    def start(self):
        Names(self.site).start()
        folder = self.site.path("chasquid")
        os.makedirs(f"{folder}/package")
        if os.path.exists("/usr/bin/chasquid"):
            program = "/usr/bin/chasquid"
        else:
            # _apt, who downloads, must be able to write there.
            os.chmod(f"{folder}/package", 0o777)
            run("apt-get", "download", "-qq", "chasquid", cwd=f"{folder}/package")
            package = next(name for name in os.listdir(f"{folder}/package") if name.endswith(".deb"))
            run("dpkg", "-x", f"{folder}/package/{package}", f"{folder}/package")
            program = f"{folder}/package/usr/bin/chasquid"
        host = f"chasquid.{DOMAIN}"
        certificates = f"{folder}/settings/certs/{host}"
        os.makedirs(certificates)
        os.makedirs(f"{folder}/settings/domains/{DOMAIN}")
        os.symlink(self.site.path("pki/server.pem"), f"{certificates}/fullchain.pem")
        os.symlink(self.site.path("pki/server.key"), f"{certificates}/privkey.pem")
        self.site.write("chasquid/settings/chasquid.conf", f"""\
hostname: "{host}"
max_data_size_mb: 50
submission_address: "127.0.0.1:{self.port}"
submission_over_tls_address: "127.0.0.1:{self.tls_port}"
data_dir: "{folder}/data"
mail_log_path: "{folder}/mail.log"
dovecot_auth: true
dovecot_userdb_path: "{self.dovecot.userdb}"
dovecot_client_path: "{self.dovecot.client}"
""")
        resolver = self.site.write("resolv.conf", f"nameserver {RESOLVER}\noptions timeout:3 attempts:5\n")
        hosts = self.site.write("hosts", f"127.0.0.1 localhost sink.example.net {host}\n")
        self.command = ["unshare", "--mount", "sh", "-c",
                        'mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/hosts && shift 2 && exec "$@"',
                        "chasquid", os.path.realpath(resolver), hosts, program, "-config_dir", f"{folder}/settings",
                        "-testing__outgoing_smtp_port", str(self.sink_port)]
        self.launch()
        self.site.add(lambda: self.child.stop())

    def launch(self):
        self.child = Child(self.command, self.site.path("chasquid.log"))
        wait_until("chasquid", lambda: self.child.check() or answers(self.port))

    def username(self, number):
        return f"u{number}@{DOMAIN}"

    @property
    def roots(self):
        return [self.child.pid, self.dovecot.child.pid]

    @property
    def queued(self):
        folder = self.site.path("chasquid/data/queue")
        return len(os.listdir(folder)) if os.path.isdir(folder) else 0

    def give_up(self):
        """After a failure: what is queued would go on in the next one's time."""
        self.child.stop()
        shutil.rmtree(self.site.path("chasquid/data/queue"), ignore_errors=True)
        self.launch()

    def between_rounds(self):
        wait_until("chasquid's queue to drain", lambda: self.queued == 0, 120)
