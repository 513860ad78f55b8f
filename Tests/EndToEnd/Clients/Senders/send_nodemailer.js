// Nodemailer.
const nodemailer = require("nodemailer");
const fs = require("fs");
const readline = require("readline");

async function send([id, door, port, mechanism, user, secret, from, to, ca, eml, text, attachment, flags]) {
  const transport = nodemailer.createTransport({
    host: "localhost", port: Number(port), secure: door === "implicit", requireTLS: true,
    auth: { user, pass: secret }, authMethod: mechanism, tls: { ca: fs.readFileSync(ca) }, connectionTimeout: 60000,
  });
  const envelope = { from, to: to.split(",") };
  if (flags.includes("8bit")) envelope.use8BitMime = true;
  const dsn = flags.includes("dsn") ? { id, return: "headers", notify: ["success", "failure"] } : undefined;
  const message = flags.includes("8bit") || flags.includes("utf8")
    ? { envelope, dsn, raw: fs.readFileSync(eml) }
    : {
      envelope, dsn, from, to: envelope.to[0], subject: `matrix ${id}`, text: fs.readFileSync(text, "utf8"),
      attachments: attachment === "-" ? [] : [{ filename: "data.bin", path: attachment }],
    };
  await transport.sendMail(message);
  transport.close();
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const job = line.split("\t");
    try {
      await send(job);
      console.log(`${job[0]}\tok`);
    } catch (error) {
      console.log(`${job[0]}\tfailed\t${String(error.message).replace(/[\r\n\t]+/g, " ")}`);
    }
  }
})();
