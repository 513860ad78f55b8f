# Ruby's mail, of which Action Mailer is made.
require "mail"
require_relative "jobs"

def send_one(id, door, port, mechanism, user, secret, sender, recipients, ca, eml, text, attachment, flags)
  mail = Mail.new(charset: "UTF-8") do
    from sender
    to recipients.split(",").first
    subject "matrix #{id}"
    body File.read(text, encoding: "UTF-8")
  end
  mail.bcc = recipients.split(",").drop(1) if recipients.include?(",")
  mail.add_file(filename: "data.bin", content: File.binread(attachment)) if attachment != "-"
  mail.delivery_method :smtp, {
    address: "localhost", port: port.to_i, user_name: user, password: secret, authentication: mechanism.downcase.to_sym,
    tls: door == "implicit", enable_starttls: door == "starttls", openssl_verify_mode: "peer", ca_file: ca,
  }
  mail.deliver!
end

each_job(&method(:send_one))
