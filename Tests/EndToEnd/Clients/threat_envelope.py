"""THREATS §5 Envelope: the cases on the wire."""

from threat_client import Client, case, cases, domain, message, sender


def rcpt(where, name, path, *expected, mail="", stored=False):
    def run(token):
        client = Client()
        client.login()
        client.say(f"MAIL FROM:<{sender}>{mail}", "250")
        client.send(path if isinstance(path, bytes) else ("RCPT TO:" + path).encode("utf-8"))
        client.send(b"\r\n")
        client.reply(*expected)
        if not stored:
            client.say("RSET", "250")
            client.still_works()
            return []
        client.say("DATA", "354")
        client.send(message(token, b"x\r\n.\r\n"))
        client.reply("250 2.0.0")
        return [token]
    cases.append((where, name, run))


for path in ["<a%b@remote.example>", "<b!a@remote.example>", '<"a@b"@remote.example>', '<"a%b"@remote.example>']:
    rcpt("§5 old routes are local parts", path, path, "250 2.1.5", stored=True)
rcpt("§5 source route", "dropped or refused", "<@x.example,@y.example:a@remote.example>", "250 2.1.5", "553 5.1.3")
for path in ["<a@>", "<@remote.example>", "<a@b..c>", "<a@-b.example>", "<a@b.example.>", "< a@b.example>",
             "a@b.example", "<a@b.example", "<a b@c.example>", "<>", ""]:
    rcpt("§5 illegal path", path or "none", path, "501 5.1.3", "550 5.1.1")
rcpt("§5 no domain", "Postmaster", "<Postmaster>", "550 5.1.1", "250")
rcpt("§5 lengths", "local part of 65", "<" + "a" * 65 + "@remote.example>", "501 5.1.3")
rcpt("§5 lengths", "label of 64", "<a@" + "b" * 64 + ".example>", "501 5.1.3")
rcpt("§5 lengths", "path over 256", "<a@" + ".".join(["b" * 60] * 5) + ">", "501 5.1.3")
for path in ["<a@[127.0.0.1]>", "<a@[IPv6:::1]>", "<a@127.0.0.1>"]:
    rcpt("§5 address literal", path, path, "550 5.1.2")
rcpt("§5 8-bit", "without SMTPUTF8", "<ü@remote.example>", "553 5.6.7")
rcpt("§5 8-bit", "with SMTPUTF8", "<ü@remote.example>", "250 2.1.5", mail=" SMTPUTF8")
for name, octets in [("overlong", b"\xc0\xaf"), ("a surrogate", b"\xed\xa0\x80"), ("not UTF-8", b"\xff\xfe"),
                     ("bidi control", "\u202e".encode()), ("not NFC", "u\u0308".encode()), ("C1 control", b"\xc2\x85")]:
    rcpt("§5 UTF-8", name, b"RCPT TO:<a" + octets + b"@remote.example>", "501 5.5.2", "501 5.1.3", "553 5.6.7",
         "553 5.1.3", "500 5.5.2", mail=" SMTPUTF8")
rcpt("§5 parameters", "unknown", "<a@remote.example> FOO=bar", "555 5.5.4")
for parameters in ["NOTIFY=NEVER,SUCCESS", "NOTIFY=", "NOTIFY=FOO", "NOTIFY=FAILURE NOTIFY=DELAY", "ORCPT=a@b.example",
                   "ORCPT=rfc822;a+0", "ORCPT=rfc822;a+0D+0Ab", "ORCPT=rfc822;" + "a" * 520]:
    rcpt("§5 parameters", parameters[:40], "<a@remote.example> " + parameters, "501 5.5.4")


def mail(where, name, argument, *expected):
    def run(token):
        client = Client()
        client.login()
        client.say("MAIL FROM:" + argument, *expected)
        client.say("RSET", "250")
        client.still_works()
    cases.append((where, name, run))


for name, argument in [("another domain", "<a@other.example>"), ("a sub-domain", f"<a@sub.{domain}>"),
                       ("a look-alike", f"<a@{domain}x>"), ("a longer one", f"<a@x{domain}>")]:
    mail("§5 sender domain", name, argument, "550 5.7.1")
mail("§5 null sender", "not allowed by default", "<>", "550 5.7.1")
mail("§5 8-bit sender", "without SMTPUTF8", f"<ü@{domain}>", "550 5.6.7")
mail("§5 8-bit sender", "with it", f"<ü@{domain}> SMTPUTF8", "250 2.1.0")
mail("§5 SIZE", "over the limit", f"<{sender}> SIZE=999999999", "552 5.3.4")
mail("§5 SIZE", "21 digits", f"<{sender}> SIZE=" + "9" * 21, "501 5.5.4")
mail("§5 SIZE", "not a number", f"<{sender}> SIZE=x", "501 5.5.4")
mail("§5 parameters", "unknown", f"<{sender}> FOO=bar", "555 5.5.4")
mail("§5 REQUIRETLS", "not offered, so unknown", f"<{sender}> REQUIRETLS", "555 5.5.4")
for parameters in ["BODY=9BIT", "BODY=8BITMIME BODY=7BIT", "RET=ALL", "RET=FULL RET=HDRS", "ENVID=" + "a" * 120,
                   "ENVID=a+0D+0Ab", "ENVID=a+x", "SMTPUTF8=yes", "AUTH=not-a-mailbox"]:
    mail("§5 parameters", parameters[:30], f"<{sender}> {parameters}", "501 5.5.4")
mail("§5 AUTH=", "another identity is heard and means nothing", f"<{sender}> AUTH=boss@other.example", "250 2.1.0")
mail("§5 DSN", "ENVID and RET", f"<{sender}> RET=HDRS ENVID=QQ314159", "250 2.1.0")


@case("§5 SIZE", "a lie: 552 after the data, and in step")
def _(token):
    client = Client()
    client.login()
    client.envelope(" SIZE=100")
    client.say("DATA", "354")
    client.send(message(token, (b"x" * 998 + b"\r\n") * 28_000 + b".\r\n"))
    client.reply("552 5.3.4")
    client.still_works()


@case("§5 too many recipients", "452 4.5.3 for the next, the others stand")
def _(token):
    client = Client()
    client.login()
    client.say(f"MAIL FROM:<{sender}>", "250")
    for number in range(100):
        client.say(f"RCPT TO:<r{number}@remote.example>", "250 2.1.5")
    client.say("RCPT TO:<one@remote.example>", "452 4.5.3")
    client.say("RSET", "250")


@case("§5 the same recipient 200 times", "250 each time, and one recipient")
def _(token):
    client = Client()
    client.login()
    client.say(f"MAIL FROM:<{sender}>", "250")
    client.send(b"RCPT TO:<a@remote.example>\r\n" * 200)
    for _ in range(200):
        client.reply("250 2.1.5")
    client.say("DATA", "354")
    client.send(message(token, b"x\r\n.\r\n"))
    client.reply("250 2.0.0")
    return [token]
