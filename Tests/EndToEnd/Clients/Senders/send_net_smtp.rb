# Ruby's net-smtp.
require "net/smtp"
require_relative "jobs"

def send_one(id, door, port, mechanism, user, secret, sender, recipients, ca, eml, text, attachment, flags)
  client = Net::SMTP.new("localhost", port.to_i)
  client.open_timeout = client.read_timeout = 60
  context = OpenSSL::SSL::SSLContext.new
  context.set_params(verify_mode: OpenSSL::SSL::VERIFY_PEER, ca_file: ca)
  door == "implicit" ? client.enable_tls(context) : client.enable_starttls(context)
  mail = []
  mail << "BODY=8BITMIME" if flags =~ /8bit|utf8/
  mail << "SMTPUTF8" if flags.include?("utf8")
  mail += ["RET=HDRS", "ENVID=#{id}"] if flags.include?("dsn")
  rcpt = flags.include?("dsn") ? ["NOTIFY=SUCCESS,FAILURE"] : []
  client.start("client.example", user, secret, mechanism.downcase.to_sym) do
    client.send_message(
      File.binread(eml), Net::SMTP::Address.new(sender, *mail),
      recipients.split(",").map { |recipient| Net::SMTP::Address.new(recipient, *rcpt) })
  end
end

each_job(&method(:send_one))
