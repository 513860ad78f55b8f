"""An application behind a customer's own mail server: it hands mail over without password or TLS."""

import smtplib

import jobs


def send(job):
    with smtplib.SMTP("127.0.0.1", job.port, timeout=60, local_hostname="app.example") as client:
        client.ehlo()
        mail, recipient = job.parameters
        client.sendmail(job.sender, job.recipients, open(job.eml, "rb").read(), mail, recipient)


jobs.each(send)
