import Foundation
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// The settings that `credential issue --for` prints for frameworks, read by the framework's own mailer.
    @Suite struct FrameworkSnippetTests {
        @Test func `Django sends by its settings`() async throws {
            let snippet = try await IssuedSnippet("django")
            let program = """
                import runpy
                from django.conf import settings
                chosen = runpy.run_path("settings.py")
                settings.configure(**{name: value for name, value in chosen.items() if name.isupper()})
                from django.core.mail import send_mail
                assert send_mail("hello", "hello", None, ["you@example.net"]) == 1
                """
            try snippet.write("settings.py", snippet.settings)
            try snippet.write("send.py", program)
            // From PyPI: Debian's is too old to verify a certificate.
            try await snippet.send(
                "python3 -m pip install --quiet --disable-pip-version-check --target site 'django>=5.2,<5.3' && "
                    + "PYTHONPATH=site python3 send.py")
        }

        @Test func `Nodemailer sends by its transport`() async throws {
            let snippet = try await IssuedSnippet("nodemailer")
            let program = """

                transport.sendMail({ to: "you@example.net", subject: "hello", text: "hello" }).then(
                  () => transport.close(), (error) => { console.error(error); process.exit(1); });
                """
            try snippet.write("send.js", snippet.settings + program)
            try await snippet.send("NODE_PATH=/usr/share/nodejs node send.js")
        }

        @Test func `Rails' Action Mailer sends by its configuration`() async throws {
            let snippet = try await IssuedSnippet("rails")
            let program = """
                require "action_mailer"
                config = Struct.new(:action_mailer).new(ActionMailer::Base)
                eval File.read("production.rb")
                class Hello < ActionMailer::Base
                  def hello
                    mail(to: "you@example.net", subject: "hello") { |format| format.text { render plain: "hello" } }
                  end
                end
                Hello.hello.deliver_now
                """
            try snippet.write("production.rb", snippet.settings)
            try snippet.write("send.rb", program)
            try await snippet.send("/usr/bin/ruby send.rb")
        }

        /// As Laravel's MailManager makes its transport from these settings.
        @Test func `Laravel's mailer sends by its settings`() async throws {
            let snippet = try await IssuedSnippet("laravel")
            let program = """
                <?php
                require "Symfony/Component/Mailer/autoload.php";
                require "Symfony/Component/Mime/autoload.php";
                $set = [];
                foreach (file(".env", FILE_IGNORE_NEW_LINES) as $line) {
                    if ($line === "" || $line[0] === "#") { continue; }
                    [$name, $value] = explode("=", $line, 2);
                    $set[$name] = str_replace('${SMTP_PASSWORD}', getenv("SMTP_PASSWORD"), trim($value, '"'));
                }
                $factory = new Symfony\\Component\\Mailer\\Transport\\Smtp\\EsmtpTransportFactory();
                $transport = $factory->create(new Symfony\\Component\\Mailer\\Transport\\Dsn(
                    $set["MAIL_SCHEME"], $set["MAIL_HOST"], $set["MAIL_USERNAME"], $set["MAIL_PASSWORD"],
                    (int) $set["MAIL_PORT"]));
                $mail = (new Symfony\\Component\\Mime\\Email())->from($set["MAIL_FROM_ADDRESS"])->to("you@example.net")
                    ->subject("hello")->text("hello");
                (new Symfony\\Component\\Mailer\\Mailer($transport))->send($mail);
                """
            try snippet.write(".env", snippet.settings)
            try snippet.write("send.php", program)
            try await snippet.send("php -d openssl.cafile=\"$SSL_CERT_FILE\" -d include_path=/usr/share/php send.php")
        }

        /// As Spring's JavaMailSenderImpl hands its properties to Jakarta Mail.
        @Test func `Spring's properties send by Jakarta Mail`() async throws {
            let snippet = try await IssuedSnippet("spring")
            let program = """
                import jakarta.mail.*;
                import jakarta.mail.internet.*;
                import java.util.*;
                public class Send {
                    public static void main(String[] arguments) throws Exception {
                        Properties all = new Properties();
                        all.load(new java.io.FileReader("application.properties"));
                        Properties mail = new Properties();
                        for (String name : all.stringPropertyNames()) {
                            if (name.startsWith("spring.mail.properties.")) {
                                mail.put(name.substring("spring.mail.properties.".length()), all.getProperty(name));
                            }
                        }
                        Session session = Session.getInstance(mail);
                        MimeMessage message = new MimeMessage(session);
                        message.setFrom(arguments[0]);
                        message.setRecipients(Message.RecipientType.TO, "you@example.net");
                        message.setSubject("hello");
                        message.setText("hello");
                        Transport transport = session.getTransport("smtp");
                        transport.connect(
                            all.getProperty("spring.mail.host"), Integer.parseInt(all.getProperty("spring.mail.port")),
                            all.getProperty("spring.mail.username"),
                            all.getProperty("spring.mail.password").replace(
                                "${SMTP_PASSWORD}", System.getenv("SMTP_PASSWORD")));
                        transport.sendMessage(message, message.getAllRecipients());
                        transport.close();
                    }
                }
                """
            try snippet.write("application.properties", snippet.settings)
            try snippet.write("Send.java", program)
            try await snippet.send(
                """
                keytool -importcert -noprompt -alias ca -file "$SSL_CERT_FILE" -keystore trust.p12 -storepass changeit &&
                java -Djavax.net.ssl.trustStore=trust.p12 -Djavax.net.ssl.trustStorePassword=changeit \
                -cp /usr/share/java/jakarta-mail.jar:/usr/share/java/jakarta-activation.jar Send.java \
                app@snippet-spring.example
                """)
        }

        @Test func `Postfix sends once the commands were run`() async throws {
            let snippet = try await IssuedSnippet("postfix")
            let postfix = try await onThread { try PrivatePostfix(settings: []) }
            // Its own folder in place of the system's, and the test's authority in place of the system's.
            let commands = snippet.settings.replacing("/etc/postfix", with: "\(postfix.folder)/etc")
                .replacing("/etc/ssl/certs/ca-certificates.crt", with: snippet.site.ca)
            try snippet.write("commands.sh", commands)
            try await snippet.send(
                """
                \(geteuid() == 0 ? "" : "sudo -n -E ")env MAIL_CONFIG='\(postfix.folder)/etc' bash commands.sh \
                < .gatepost-secret && swaks --server 127.0.0.1:\(postfix.port) --from app@snippet-postfix.example \
                --to you@example.net
                """)
        }
    }
}

/// A credential issued for a client, with the settings that were printed, in a folder of its own.
private struct IssuedSnippet {
    let site: Site
    let settings: String
    private let client: String
    private let folder: String
    private let secret: String

    init(_ client: String) async throws {
        self.client = client
        let (site, server) = try await SharedSite.instance.site()
        self.site = site
        let slug = "snippet-\(client)"
        try site.gatepost("tenant", "create", slug)
        try site.gatepost("domain", "add", slug, "\(slug).example", "--trust")
        let issued = try site.run([
            "env", "GATEPOST_SUBMISSION_HOSTNAME=localhost", "GATEPOST_SUBMISSION_LISTEN=127.0.0.1:\(server.port)",
            "GATEPOST_SUBMISSION_LISTEN_TLS=127.0.0.1:\(server.tlsPort)", Site.binary, "credential", "issue", slug,
            "--for", client, "--json", "--config", "\(site.folder)/gatepost.yaml",
        ])
        try #require(issued.status == 0, "\(issued.standardError)")
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(issued.standardOutput.utf8)) as? [String: Any])
        settings = try #require(object["settings"] as? String)
        secret = try #require(object["secret"] as? String)
        #expect(!settings.contains(secret), "the secret is handed out once, and not in the settings")
        folder = "\(site.folder)/home-\(client)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try write(".gatepost-secret", secret + "\n")
    }

    func write(_ name: String, _ text: String) throws {
        try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
    }

    /// Runs the client, with the secret where the settings read it; its message must arrive.
    func send(_ command: String) async throws {
        let sent = try site.run([
            "env", "HOME=\(folder)", "SMTP_PASSWORD=\(secret)", "SSL_CERT_FILE=\(site.ca)",
            "NODE_EXTRA_CA_CERTS=\(site.ca)", "sh", "-ec", "cd '\(folder)'\n\(command)",
        ])
        #expect(sent.status == 0, "\(sent.standardOutput)\(sent.standardError)")
        #expect(
            await eventually { site.arrived().contains { $0.contains("app@snippet-\(client).example") } },
            "nothing has arrived: \(sent.standardOutput)\(sent.standardError)")
    }
}
