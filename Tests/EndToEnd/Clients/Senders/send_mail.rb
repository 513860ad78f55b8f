# Ruby's mail, of which Action Mailer is made.
require "mail"
$stdout.sync = true

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

STDIN.each_line(chomp: true) do |line|
  job = line.split("\t")
  begin
    send_one(*job)
    puts "#{job[0]}\tok"
  rescue StandardError => error
    puts "#{job[0]}\tfailed\t#{error.class}: #{error.message.gsub(/[\r\n\t]+/, ' ')}"
  end
end
