"""Clients that are programs: swaks, curl, msmtp, mutt, s-nail. usage: send_shell.py PROGRAM"""

import os
import subprocess
import sys
import tempfile
import urllib.parse

import jobs

folder = tempfile.TemporaryDirectory()


def file(name, text):
    path = os.path.join(folder.name, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    return path


def run(command, job, source=None, **environment):
    with open(source or os.devnull, "rb") as stdin:
        done = subprocess.run(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
            env={**os.environ, "HOME": folder.name, "LC_ALL": "C.UTF-8", **environment})
    if done.returncode:
        raise RuntimeError(f"exit {done.returncode}: " + done.stdout[-300:].decode("utf-8", "replace"))


def swaks(job):
    run([
        "swaks", "--server", f"localhost:{job.port}", "--tls-on-connect" if job.is_implicit else "--tls",
        "--tls-verify", "--tls-ca-path", job.ca, "--auth", job.mechanism, "--auth-user", job.user, "--auth-password",
        job.secret, "--from", job.sender, "--to", ",".join(job.recipients), "--data", "@" + job.eml,
        "--suppress-data", "--hide-all",
    ], job)


def curl(job):
    scheme = "smtps" if job.is_implicit else "smtp"
    run([
        "curl", "-sS", "--ssl-reqd", "--cacert", job.ca, f"{scheme}://localhost:{job.port}/client.example",
        "--login-options", f"AUTH={job.mechanism}", "--mail-from", job.sender, "--user", f"{job.user}:{job.secret}",
        "-T", job.eml,
    ] + [word for recipient in job.recipients for word in ["--mail-rcpt", recipient]], job)


def msmtp(job):
    settings = file("msmtprc", f"""
        account default
        host localhost
        port {job.port}
        tls on
        tls_starttls {"off" if job.is_implicit else "on"}
        tls_trust_file {job.ca}
        auth {job.mechanism.lower()}
        user {job.user}
        password {job.secret}
        """)
    notify = ["-N", "success,failure", "-R", "hdrs"] if "dsn" in job.flags else []
    run(["msmtp", "-C", settings, "-f", job.sender] + notify + job.recipients, job, source=job.eml)


def mutt(job):
    user, secret = (urllib.parse.quote(text, safe="") for text in [job.user, job.secret])
    settings = file("muttrc", f"""
        set smtp_url="{"smtps" if job.is_implicit else "smtp"}://{user}:{secret}@localhost:{job.port}/"
        set smtp_authenticators="{job.mechanism.lower()}"
        set ssl_force_tls=yes ssl_starttls=yes ssl_verify_host=yes ssl_verify_dates=yes
        set ssl_ca_certificates_file="{job.ca}"
        set from="{job.sender}" envelope_from_address="{job.sender}" use_envelope_from=yes realname=""
        set copy=no use_8bitmime=yes send_charset="us-ascii:utf-8" charset="utf-8"
        {'set dsn_notify="success,failure" dsn_return=hdrs' if "dsn" in job.flags else ""}
        """)
    attached = ["-a", job.attachment, "--"] if job.attachment != "-" else ["--"]
    blind = [word for recipient in job.recipients[1:] for word in ["-b", recipient]]
    run(["mutt", "-n", "-F", settings, "-s", job.subject] + blind + attached + job.recipients[:1], job, source=job.text)


def s_nail(job):
    user, secret = (urllib.parse.quote(text, safe="") for text in [job.user, job.secret])
    settings = file("mailrc", f"""
set v15-compat tls-ca-no-defaults tls-ca-file={job.ca} tls-verify=strict
set mta={"submissions" if job.is_implicit else "smtp"}://{user}:{secret}@localhost:{job.port}
set smtp-auth={job.mechanism.lower()} {"" if job.is_implicit else "smtp-use-starttls"}
set from={job.sender} sendcharsets=utf-8 mime-encoding=8bit
""")
    attached = ["-a", job.attachment] if job.attachment != "-" else []
    blind = [word for recipient in job.recipients[1:] for word in ["-b", recipient]]
    run(["s-nail", "-n", "-s", job.subject, "-S", "sendwait"] + attached + blind + job.recipients[:1], job,
        source=job.text, MAILRC=settings)


jobs.each({"swaks": swaks, "curl": curl, "msmtp": msmtp, "mutt": mutt, "s-nail": s_nail}[sys.argv[1]])
