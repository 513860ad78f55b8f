"""Many sessions at once, in one of three manners; prints one JSON line of what became of them.

usage: crowd.py MANNER PORT CA USERNAME SECRET_FILE SENDER SESSIONS [VALUE]

    big      every session sends one message of VALUE octets, all of them at the same time
    slow     a third each dribbles an octet a second after the greeting, after TLS, and inside DATA, until standard
             input ends; VALUE: the file to make when all of them stand
    renew    each session connects, sends one message and leaves, again and again, while one in four stays and sends
             on; until standard input ends. Whatever is not a 250 is a failure. VALUE: the file to make at the start

Addresses on the loopback network are changed from session to session: a crowd is not one client.
"""

import asyncio
import base64
import json
import os
import socket
import ssl
import sys
import time

manner, port, ca, username, secret_file, sender, sessions = sys.argv[1:8]
port, sessions = int(port), int(sessions)
value = sys.argv[8] if len(sys.argv) > 8 else ""
secret = open(secret_file).read().strip()
login = base64.b64encode(f"\0{username}\0{secret}".encode()).decode()
tls = ssl.create_default_context(cafile=ca)
failures = []
counts = {"sent": 0, "serials": []}


class Failed(Exception):
    pass


class Session:
    def __init__(self, number):
        self.number = number

    async def reply(self, expected, limit=600):
        while True:
            line = await asyncio.wait_for(self.reader.readline(), limit)
            if not line:
                raise Failed("closed without a reply")
            if line[3:4] != b"-":
                break
        if not line.startswith(expected.encode()):
            raise Failed(line.decode("ascii", "replace").strip())

    async def say(self, text, expected):
        self.writer.write(text.encode() + b"\r\n")
        await self.writer.drain()
        await self.reply(expected)

    async def connect(self):
        address = f"127.0.{1 + self.number // 200}.{1 + self.number % 200}"
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=(address, 0), limit=1 << 16)
        await self.reply("220")

    async def secure(self):
        await self.say("EHLO crowd.example", "250")
        await self.say("STARTTLS", "220")
        await self.writer.start_tls(tls, server_hostname="localhost")
        await self.say("EHLO crowd.example", "250")
        serial = self.writer.get_extra_info("ssl_object").getpeercert()["serialNumber"]
        if serial not in counts["serials"]:
            counts["serials"].append(serial)

    async def login(self):
        await self.say("AUTH PLAIN " + login, "235")

    async def begin(self):
        await self.say(f"MAIL FROM:<{sender}>", "250")
        await self.say(f"RCPT TO:<r{self.number}@remote.example>", "250")
        await self.say("DATA", "354")

    def head(self):
        return (f"From: <{sender}>\r\nTo: <r{self.number}@remote.example>\r\nSubject: crowd {self.number}\r\n"
                f"Message-ID: <{os.urandom(12).hex()}@crowd.example>\r\n\r\n").encode()

    async def finish(self):
        self.writer.write(b".\r\n")
        await self.writer.drain()
        await self.reply("250")
        counts["sent"] += 1

    async def send(self):
        await self.begin()
        self.writer.write(self.head() + b"hello\r\n")
        await self.finish()

    async def leave(self):
        await self.say("QUIT", "221")
        self.writer.close()

    async def attempt(self, work):
        try:
            await work()
        except (OSError, Failed, asyncio.TimeoutError, asyncio.IncompleteReadError, ssl.SSLError) as error:
            failures.append(f"{self.number}: {type(error).__name__} {error}")


async def standard_input():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


async def big():
    block = (b"x" * 998 + b"\r\n") * 64
    standing = 0
    ready = asyncio.Event()

    def arrive():
        nonlocal standing
        standing += 1
        if standing == sessions:
            ready.set()

    async def prepare(session):
        await session.connect()
        await session.secure()
        await session.login()
        await session.begin()

    async def pour(session):
        session.writer.write(session.head())
        left = int(value) - 2000
        while left > 0:
            session.writer.write(block[: max(1000, left // 1000 * 1000)])
            await session.writer.drain()
            left -= len(block)
        await session.finish()
        await session.leave()

    async def one(session):
        try:
            await prepare(session)
        finally:
            arrive()
        await ready.wait()
        await pour(session)

    tasks = []
    for number in range(sessions):
        session = Session(number)
        tasks.append(asyncio.create_task(session.attempt(lambda session=session: one(session))))
        if number % 10 == 9:
            await asyncio.sleep(0.05)
    await asyncio.gather(*tasks)


async def slow():
    standing = 0
    ended = asyncio.Event()

    async def one(session):
        nonlocal standing
        stage = session.number % 3
        await session.connect()
        if stage > 0:
            await session.secure()
        if stage == 2:
            await session.login()
            await session.begin()
        standing += 1
        if standing == sessions:
            open(value, "w").close()
        while not ended.is_set():
            session.writer.write(b"x")
            await session.writer.drain()
            await asyncio.sleep(1)
        session.writer.close()

    tasks = []
    for number in range(sessions):
        session = Session(number)
        tasks.append(asyncio.create_task(session.attempt(lambda session=session: one(session))))
        if number % 20 == 19:
            await asyncio.sleep(0.05)
    await standard_input()
    ended.set()
    counts["standing"] = standing
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def renew():
    ended = asyncio.Event()

    async def comes_and_goes(session):
        while not ended.is_set():
            await session.connect()
            await session.secure()
            await session.login()
            await session.send()
            await session.leave()

    async def stays(session):
        await session.connect()
        await session.secure()
        await session.login()
        while not ended.is_set():
            await session.send()
            await asyncio.sleep(0.05)
        await session.leave()

    tasks = []
    for number in range(sessions):
        session = Session(number)
        work = stays if number % 4 == 0 else comes_and_goes
        tasks.append(asyncio.create_task(session.attempt(lambda session=session, work=work: work(session))))
    open(value, "w").close()
    await standard_input()
    ended.set()
    await asyncio.gather(*tasks)


begun = time.monotonic()
asyncio.run({"big": big, "slow": slow, "renew": renew}[manner]())
counts["seconds"] = round(time.monotonic() - begun, 1)
counts["failures"] = failures[:10]
counts["failed"] = len(failures)
print(json.dumps(counts))
