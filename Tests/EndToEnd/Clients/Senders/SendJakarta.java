import jakarta.mail.Message;
import jakarta.mail.Session;
import jakarta.mail.Transport;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeMessage;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Jakarta Mail, sending the message as it is in the file. */
public class SendJakarta {
    public static void main(String[] arguments) throws Exception {
        BufferedReader jobs = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = jobs.readLine()) != null; ) {
            String[] job = line.split("\t");
            try {
                send(job);
                System.out.println(job[0] + "\tok");
            } catch (Exception error) {
                String why = error + (error.getCause() == null ? "" : " " + error.getCause());
                System.out.println(job[0] + "\tfailed\t" + why.replaceAll("[\r\n\t]+", " "));
            }
        }
    }

    static void send(String[] job) throws Exception {
        String id = job[0], mechanism = job[3], sender = job[6], flags = job[12];
        boolean implicit = job[1].equals("implicit");
        Properties mail = new Properties();
        mail.put("mail.smtp.auth", "true");
        mail.put("mail.smtp.auth.mechanisms", mechanism);
        mail.put("mail.smtp.starttls.enable", String.valueOf(!implicit));
        mail.put("mail.smtp.starttls.required", String.valueOf(!implicit));
        mail.put("mail.smtp.ssl.enable", String.valueOf(implicit));
        mail.put("mail.smtp.ssl.checkserveridentity", "true");
        mail.put("mail.smtp.ssl.socketFactory", trust(job[8]).getSocketFactory());
        for (String timeout : new String[] {"timeout", "connectiontimeout", "writetimeout"}) {
            mail.put("mail.smtp." + timeout, "60000");
        }
        mail.put("mail.smtp.from", sender);
        mail.put("mail.smtp.allow8bitmime", String.valueOf(flags.contains("8bit")));
        mail.put("mail.mime.allowutf8", String.valueOf(flags.contains("utf8")));
        if (flags.contains("bdat")) {
            mail.put("mail.smtp.chunksize", "1000");
        }
        if (flags.contains("dsn")) {
            mail.put("mail.smtp.dsn.notify", "SUCCESS,FAILURE");
            mail.put("mail.smtp.dsn.ret", "HDRS");
            mail.put("mail.smtp.mailextension", "ENVID=" + id);
        }
        Session session = Session.getInstance(mail);
        ByteArrayOutputStream wire = new ByteArrayOutputStream();
        if (flags.contains("bdat")) {
            session.setDebugOut(new PrintStream(wire));
            session.setDebug(true);
        }
        MimeMessage message = new MimeMessage(session, new FileInputStream(job[9]));
        try (Transport transport = session.getTransport("smtp")) {
            transport.connect("localhost", Integer.parseInt(job[2]), job[4], job[5]);
            transport.sendMessage(message, InternetAddress.parse(job[7], false));
        }
        // What a server answers to a chunk of this size, and to nothing else.
        if (flags.contains("bdat") && !wire.toString().contains("250 2.0.0 1000 octets received")) {
            throw new IllegalStateException("sent, but not by BDAT");
        }
    }

    static SSLContext trust(String authority) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (FileInputStream file = new FileInputStream(authority)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }
}
