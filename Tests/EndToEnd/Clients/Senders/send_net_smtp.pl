# Perl's Net::SMTP, with Authen::SASL.
use strict;
use warnings;
use Authen::SASL;
use Net::SMTP;
$| = 1;

sub send_one {
    my ($id, $door, $port, $mechanism, $user, $secret, $sender, $recipients, $ca, $eml, $text, $attachment, $flags) = @_;
    my @tls = (SSL_ca_file => $ca, SSL_verify_mode => 1, SSL_verifycn_name => "localhost");
    my $client = Net::SMTP->new(
        "localhost", Port => $port, Timeout => 60, Hello => "client.example", SSL => $door eq "implicit" ? 1 : 0, @tls)
        or die "no connection: $@";
    if ($door eq "starttls") { $client->starttls(@tls) or die "no TLS: $@ " . $client->message; }
    my $sasl = Authen::SASL->new(mechanism => $mechanism, callback => {user => $user, pass => $secret, authname => ""});
    $client->auth($sasl) or die "not logged in: " . $client->message;
    my %mail = $flags =~ /8bit/ ? (Bits => 8) : ();
    %mail = (%mail, Return => "HDRS", Envelope => $id) if $flags =~ /dsn/;
    $client->mail($sender, %mail) or die "MAIL: " . $client->message;
    for my $recipient (split /,/, $recipients) {
        $client->to($recipient, $flags =~ /dsn/ ? {Notify => ["SUCCESS", "FAILURE"]} : ()) or die "RCPT: " . $client->message;
    }
    open my $file, "<:raw", $eml or die "$eml: $!";
    my $message = do { local $/; <$file> };
    $client->data or die "DATA: " . $client->message;
    $client->datasend($message);
    $client->dataend or die "end: " . $client->message;
    $client->quit;
}

while (my $line = <STDIN>) {
    chomp $line;
    my @job = split /\t/, $line;
    if (eval { send_one(@job); 1 }) { print "$job[0]\tok\n" }
    else { my $why = $@; $why =~ s/[\r\n\t]+/ /g; print "$job[0]\tfailed\t$why\n" }
}
