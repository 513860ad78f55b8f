"""The clients of the matrix: what each can, and the command that sends its jobs."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Senders")
DOORS = ("starttls", "implicit")
ALL = ("plain", "8bit", "utf8", "large", "hundred")


@dataclass
class Client:
    name: str
    command: list
    mechanisms: tuple = ("PLAIN", "LOGIN")
    kinds: tuple = ALL
    # Sends a message as it is in a file; others make their own from text and attachment.
    is_raw: bool = True
    # What it puts behind every message.
    suffix: bytes = b""
    doors: tuple = DOORS
    package: str = ""
    # Is told an authority by the job; a relay has its own settings.
    is_verifying: bool = True
    environment: dict = field(default_factory=dict)

    def send(self, jobs):
        """What became of each job, by its id: `ok` or why not."""
        done = subprocess.run(
            self.command, input="".join(job.tabbed() for job in jobs), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=540, env={**os.environ, "PYTHONPATH": here + ":" + os.environ.get("MATRIX_PYTHON", ""), **self.environment}, cwd=here)
        answers = {}
        for line in done.stdout.splitlines():
            identity, answer, *why = line.split("\t")
            answers[identity] = "ok" if answer == "ok" else "".join(why) or answer
        if not answers:
            raise SystemExit(f"{self.command}: exit {done.returncode}: {done.stderr[-1000:]}")
        return answers

    def version(self):
        if self.package.startswith("Python"):
            return "Python " + sys.version.split()[0]
        if not self.package:
            return ""
        if self.package == "django":
            return "5.2 (PyPI)"
        if self.package.startswith("exim4-daemon-light"):  # unpacked, not installed
            command = ["apt-cache", "show", "--no-all-versions", self.package]
        else:
            command = ["dpkg-query", "-W", "-f", "Version: ${Version}", self.package]
        shown = subprocess.run(command, text=True, stdout=subprocess.PIPE).stdout
        found = re.search(r"^Version: (?:\d+:)?([^-+~]+)", shown, re.MULTILINE)
        return found.group(1) if found else ""


def shell(name, **more):
    return Client(name, ["python3", "send_shell.py", name], package=more.pop("package", name), **more)


def relay(name, **more):
    return Client(name, ["python3", "send_relay.py"], is_verifying=False, package=more.pop("package", name), **more)


JAVA = "/usr/share/java/jakarta-mail.jar:/usr/share/java/jakarta-activation.jar"
without_utf8 = tuple(kind for kind in ALL if kind != "utf8")

CLIENTS = {client.name: client for client in [
    shell("swaks", kinds=without_utf8, suffix=b"\r\n"),
    shell("curl"),
    shell("msmtp", mechanisms=("PLAIN", "LOGIN", "SCRAM-SHA-256"), kinds=(*without_utf8, "dsn")),
    Client("Python smtplib", ["python3", "send_smtplib.py"], kinds=(*ALL, "dsn"), package="Python"),
    Client(
        "Django", ["python3", "send_django.py"], mechanisms=("PLAIN",), kinds=without_utf8, is_raw=False,
        package="django"),
    Client("Perl Net::SMTP", ["perl", "send_net_smtp.pl"], kinds=(*without_utf8, "dsn"), package="perl"),
    Client(
        "Perl Email::Sender", ["perl", "send_email_sender.pl"], mechanisms=("PLAIN",), kinds=without_utf8,
        package="libemail-sender-perl"),
    Client(
        "PHPMailer", ["php", "-d", "include_path=/usr/share/php", "-d", "memory_limit=1G", "send_phpmailer.php"],
        kinds=(*without_utf8, "dsn"), is_raw=False, package="libphp-phpmailer"),
    Client("Ruby net-smtp", ["/usr/bin/ruby", "send_net_smtp.rb"], kinds=(*ALL, "dsn"), package="ruby3.1"),
    Client("Ruby mail", ["/usr/bin/ruby", "send_mail.rb"], kinds=without_utf8, is_raw=False, package="ruby-mail"),
    Client(
        "Jakarta Mail", ["java", "-XX:TieredStopAtLevel=1", "-cp", JAVA, "SendJakarta.java"],
        kinds=(*ALL, "bdat", "dsn"), package="libjakarta-mail-java"),
    Client("Go net/smtp", ["go", "run", "send.go"], package="golang-go"),
    Client(
        "Nodemailer", ["node", "send_nodemailer.js"], kinds=(*ALL, "dsn"), is_raw=False, package="node-nodemailer",
        environment={"NODE_PATH": "/usr/share/nodejs"}),
    shell("mutt", mechanisms=("PLAIN", "LOGIN", "SCRAM-SHA-256"), kinds=(*ALL, "dsn"), is_raw=False),
    shell("s-nail", kinds=without_utf8, is_raw=False),
    relay(
        "Postfix", mechanisms=("PLAIN", "LOGIN", "SCRAM-SHA-256"), kinds=(*ALL, "dsn"), package="postfix"),
    relay("Exim", kinds=(*ALL, "bdat", "dsn"), package="exim4-daemon-light"),
]}
