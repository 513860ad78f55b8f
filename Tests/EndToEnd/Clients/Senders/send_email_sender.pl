# Perl's Email::Sender, with its SMTP transport.
use strict;
use warnings;
use Email::Sender::Simple qw(sendmail);
use Email::Sender::Transport::SMTP;
$| = 1;

sub send_one {
    my ($id, $door, $port, $mechanism, $user, $secret, $sender, $recipients, $ca, $eml) = @_;
    my $transport = Email::Sender::Transport::SMTP->new({
        hosts => ["localhost"], port => $port, timeout => 60, helo => "client.example",
        ssl => $door eq "implicit" ? "ssl" : "starttls",
        ssl_options => {SSL_ca_file => $ca, SSL_verify_mode => 1, SSL_verifycn_name => "localhost"},
        sasl_username => $user, sasl_password => $secret,
    });
    open my $file, "<:raw", $eml or die "$eml: $!";
    my $message = do { local $/; <$file> };
    sendmail($message, {from => $sender, to => [split /,/, $recipients], transport => $transport});
}

while (my $line = <STDIN>) {
    chomp $line;
    my @job = split /\t/, $line;
    if (eval { send_one(@job); 1 }) { print "$job[0]\tok\n" }
    else { my $why = ref $@ ? $@->message : $@; $why =~ s/[\r\n\t]+/ /g; print "$job[0]\tfailed\t$why\n" }
}
