"""Django's mail, with settings as `credential issue --for django` prints them."""

import os

import jobs
from django.conf import settings

settings.configure(EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend", USE_TZ=True)

from django.core import mail  # noqa: E402: it needs settings
from django.core.mail import EmailMessage  # noqa: E402


def send(job):
    os.environ["SSL_CERT_FILE"] = job.ca
    connection = mail.get_connection(
        host="localhost", port=job.port, username=job.user, password=job.secret, timeout=60,
        use_tls=not job.is_implicit, use_ssl=job.is_implicit)
    message = EmailMessage(
        job.subject, open(job.text, encoding="utf-8").read(), job.sender, job.recipients[:1],
        bcc=job.recipients[1:], connection=connection)
    if job.attachment != "-":
        message.attach("data.bin", open(job.attachment, "rb").read(), "application/octet-stream")
    if message.send() != 1:
        raise RuntimeError("not sent")


jobs.each(send)
