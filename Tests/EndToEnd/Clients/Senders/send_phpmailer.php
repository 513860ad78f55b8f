<?php
// PHPMailer.
require "libphp-phpmailer/src/Exception.php";
require "libphp-phpmailer/src/PHPMailer.php";
require "libphp-phpmailer/src/SMTP.php";
use PHPMailer\PHPMailer\PHPMailer;

while (($line = fgets(STDIN)) !== false) {
    [$id, $door, $port, $mechanism, $user, $secret, $sender, $recipients, $ca, $eml, $text, $attachment, $flags]
        = explode("\t", rtrim($line, "\n"));
    try {
        $mail = new PHPMailer(true);
        $mail->isSMTP();
        $mail->Host = "localhost";
        $mail->Port = (int) $port;
        $mail->SMTPSecure = $door === "implicit" ? PHPMailer::ENCRYPTION_SMTPS : PHPMailer::ENCRYPTION_STARTTLS;
        $mail->SMTPOptions = ["ssl" => ["cafile" => $ca, "verify_peer" => true, "verify_peer_name" => true]];
        $mail->SMTPAuth = true;
        $mail->AuthType = $mechanism;
        $mail->Username = $user;
        $mail->Password = $secret;
        $mail->CharSet = PHPMailer::CHARSET_UTF8;
        $mail->Encoding = str_contains($flags, "8bit") ? PHPMailer::ENCODING_8BIT : PHPMailer::ENCODING_QUOTED_PRINTABLE;
        if (str_contains($flags, "dsn")) { $mail->dsn = "SUCCESS,FAILURE"; }
        $mail->setFrom($sender);
        foreach (explode(",", $recipients) as $number => $recipient) {
            $number === 0 ? $mail->addAddress($recipient) : $mail->addBCC($recipient);
        }
        $mail->Subject = "matrix $id";
        $mail->Body = file_get_contents($text);
        if ($attachment !== "-") { $mail->addAttachment($attachment, "data.bin"); }
        $mail->send();
        echo "$id\tok\n";
    } catch (Throwable $error) {
        echo "$id\tfailed\t" . strtr($error->getMessage(), "\r\n\t", "   ") . "\n";
    }
}
