import ArgumentParser

/// Settings for one client, ready to be pasted. The one source of each: `credential issue --for` prints it, the tests
/// run it.
///
/// The secret is never in it: it is read from the variable or file `setup` puts it in, so that it stays out of
/// repositories, process lists and shell histories.
enum Snippet: String, CaseIterable, Sendable, ExpressibleByArgument {
    case swaks, curl, django, rails, nodemailer, laravel, spring, msmtp, postfix

    /// Where and who; everything in it has been checked to be a name or a number.
    struct Place: Sendable {
        var host: String
        var port: Int
        /// For TLS from the first octet; nil where the node has no such port.
        var tlsPort: Int?
        var username: String
        /// An address of the tenant's.
        var sender: String
    }

    /// What it was written for. (The tests run each by its real client: Rails by Action Mailer 6.1, Laravel's by the
    /// mailer it stands on, Symfony's, Spring's by Jakarta Mail, which it hands its properties to.)
    var title: String {
        switch self {
        case .swaks: "swaks"
        case .curl: "curl"
        case .django: "Django 4.2 or newer, settings.py"
        case .rails: "Rails 7.1 or newer, config/environments/production.rb"
        case .nodemailer: "Nodemailer 6 or newer"
        case .laravel: "Laravel 11.31 or newer, .env"
        case .spring: "Spring Boot 3, application.properties"
        case .msmtp: "msmtp 1.8, ~/.msmtprc (mode 0600)"
        case .postfix: "Postfix 3.4 or newer, as root; needs libsasl2-modules"
        }
    }

    /// How the secret gets where the settings read it.
    private var setup: String? {
        switch self {
        case .swaks, .curl, .msmtp: "(umask 077; cat >~/.gatepost-secret)      # paste the secret, then Ctrl-D"
        case .postfix: nil
        default: "the variable SMTP_PASSWORD holds the secret; keep it out of the repository"
        }
    }

    func text(_ place: Place) -> String {
        let mark = self == .nodemailer ? "//" : "#"
        var text = "\(mark) \(title)\n"
        if let setup { text += "\(mark) \(setup)\n" }
        text += settings(place)
        if let tlsPort = place.tlsPort, let variant = implicitTLS(tlsPort) {
            text += "\(mark) TLS from the first octet, port \(tlsPort), instead:\n"
            for line in variant { text += "\(mark)   \(line)\n" }
        }
        return text
    }

    private func settings(_ place: Place) -> String {
        let (host, port, username, sender) = (place.host, place.port, place.username, place.sender)
        switch self {
        case .swaks:
            return """
                SWAKS_OPT_auth_password="$(cat ~/.gatepost-secret)" \\
                swaks --server \(host):\(port) --tls --tls-verify --auth PLAIN --auth-user \(username) \\
                  --from \(sender) --to you@example.net

                """
        case .curl:
            return """
                printf 'From: %s\\r\\nTo: %s\\r\\nSubject: hello\\r\\n\\r\\nhello\\r\\n' \(sender) you@example.net >message.eml
                printf 'user = "%s:%s"\\n' \(username) "$(cat ~/.gatepost-secret)" |
                  curl --config - --silent --show-error --ssl-reqd --max-time 60 --mail-from \(sender) \\
                  --mail-rcpt you@example.net --upload-file message.eml smtp://\(host):\(port)

                """
        case .django:
            return """
                import os
                EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
                EMAIL_HOST = "\(host)"
                EMAIL_PORT = \(port)
                EMAIL_USE_TLS = True
                EMAIL_TIMEOUT = 60
                EMAIL_HOST_USER = "\(username)"
                EMAIL_HOST_PASSWORD = os.environ["SMTP_PASSWORD"]
                DEFAULT_FROM_EMAIL = SERVER_EMAIL = "\(sender)"

                """
        case .rails:
            return """
                config.action_mailer.delivery_method = :smtp
                config.action_mailer.raise_delivery_errors = true
                config.action_mailer.default_options = { from: "\(sender)" }
                config.action_mailer.smtp_settings = {
                  address: "\(host)", port: \(port), enable_starttls: true, openssl_verify_mode: "peer",
                  user_name: "\(username)", password: ENV.fetch("SMTP_PASSWORD"), authentication: :plain,
                  open_timeout: 30, read_timeout: 60
                }

                """
        case .nodemailer:
            return """
                const transport = require("nodemailer").createTransport({
                  host: "\(host)", port: \(port), secure: false, requireTLS: true,
                  auth: { user: "\(username)", pass: process.env.SMTP_PASSWORD },
                  pool: true, connectionTimeout: 30000, greetingTimeout: 30000, socketTimeout: 60000,
                }, { from: "\(sender)" });

                """
        case .laravel:
            return """
                MAIL_MAILER=smtp
                MAIL_HOST=\(host)
                MAIL_PORT=\(port)
                MAIL_SCHEME=smtp
                MAIL_USERNAME=\(username)
                MAIL_PASSWORD="${SMTP_PASSWORD}"
                MAIL_FROM_ADDRESS=\(sender)
                # STARTTLS comes by itself; MAIL_ENCRYPTION means nothing any more

                """
        case .spring:
            return """
                spring.mail.host=\(host)
                spring.mail.port=\(port)
                spring.mail.username=\(username)
                spring.mail.password=${SMTP_PASSWORD}
                spring.mail.properties.mail.smtp.auth=true
                spring.mail.properties.mail.smtp.starttls.enable=true
                spring.mail.properties.mail.smtp.starttls.required=true
                spring.mail.properties.mail.smtp.ssl.checkserveridentity=true
                spring.mail.properties.mail.smtp.connectiontimeout=30000
                spring.mail.properties.mail.smtp.timeout=60000
                spring.mail.properties.mail.smtp.writetimeout=60000

                """
        case .msmtp:
            return """
                defaults
                timeout 60
                account gatepost
                host \(host)
                port \(port)
                tls on
                tls_starttls on
                auth scram-sha-256
                user \(username)
                passwordeval cat ~/.gatepost-secret
                from \(sender)
                account default : gatepost

                """
        case .postfix:
            return """
                (umask 077; read -rs -p 'secret: ' secret
                 printf '[%s]:%s %s:%s\\n' \(host) \(port) \(username) "$secret" >/etc/postfix/sasl_passwd)
                postmap /etc/postfix/sasl_passwd
                postconf relayhost='[\(host)]:\(port)' smtp_tls_security_level=secure \\
                  smtp_tls_CAfile=/etc/ssl/certs/ca-certificates.crt smtp_sasl_auth_enable=yes \\
                  smtp_sasl_password_maps=hash:/etc/postfix/sasl_passwd smtp_sasl_tls_security_options=noanonymous
                postfix reload

                """
        }
    }

    /// What is different there.
    private func implicitTLS(_ port: Int) -> [String]? {
        switch self {
        case .swaks: ["--tls-on-connect and port \(port) in place of --tls"]
        case .curl: ["smtps://…:\(port)"]
        case .django: ["EMAIL_PORT = \(port), EMAIL_USE_SSL = True and no EMAIL_USE_TLS"]
        case .rails: ["port: \(port), tls: true and no enable_starttls"]
        case .nodemailer: ["port: \(port), secure: true"]
        case .laravel: ["MAIL_PORT=\(port), MAIL_SCHEME=smtps"]
        case .spring: ["spring.mail.port=\(port), …smtp.ssl.enable=true and no starttls"]
        case .msmtp: ["port \(port), tls_starttls off"]
        case .postfix: ["relayhost='[…]:\(port)' smtp_tls_wrappermode=yes, and \(port) in sasl_passwd"]
        }
    }
}
