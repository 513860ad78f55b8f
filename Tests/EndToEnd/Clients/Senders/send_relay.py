"""An application behind a customer's own mail server: it hands mail over without password or TLS."""

import smtplib

import jobs


def send(job):
    with smtplib.SMTP("127.0.0.1", job.port, timeout=60, local_hostname="app.example") as client:
        client.ehlo()
        mail, recipient = [], []
        if "8bit" in job.flags:
            mail.append("BODY=8BITMIME")
        if "utf8" in job.flags:
            mail.append("SMTPUTF8")
        if "dsn" in job.flags:
            mail += ["RET=HDRS", f"ENVID={job.id}"]
            recipient += ["NOTIFY=SUCCESS,FAILURE"]
        client.sendmail(job.sender, job.recipients, open(job.eml, "rb").read(), mail, recipient)


jobs.each(send)
