"""Python's smtplib."""

import smtplib
import ssl

import jobs


def send(job):
    context = ssl.create_default_context(cafile=job.ca)
    if job.is_implicit:
        client = smtplib.SMTP_SSL("localhost", job.port, timeout=60, context=context)
    else:
        client = smtplib.SMTP("localhost", job.port, timeout=60)
        client.starttls(context=context)
    client.ehlo()
    client.user, client.password = job.user, job.secret
    client.auth(job.mechanism, {"PLAIN": client.auth_plain, "LOGIN": client.auth_login}[job.mechanism])
    mail, recipient = job.parameters
    refused = client.sendmail(
        job.sender, job.recipients, open(job.eml, "rb").read(), mail_options=mail, rcpt_options=recipient)
    if refused:
        raise RuntimeError(str(refused))
    client.quit()


jobs.each(send)
