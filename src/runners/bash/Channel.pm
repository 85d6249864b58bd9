# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Channel: frames of the runner protocol over descriptor 3.
#
# A mark in the input means that the host was restarted: requests that were read before it and are
# not being executed are dropped.

package Channel;

use strict;
use warnings;
use Errno  ();
use Fcntl  qw(F_SETFD FD_CLOEXEC);
use List::Util ();

use constant {
    RESEED => 1, EXECUTE => 2, SYNC => 3,
    READY => 16, RESULT => 17, ERROR => 18, DONE => 19, SYNCED => 20, COMPLETENESS => 22,
};
use constant TEXT_MAX    => 1 << 20;                       # of each text of an error
use constant SYNC_MARK   => "\xff" . "\xfe" x 15;
use constant HEADER_SIZE => 12;

sub new {
    my ($class, $fd) = @_;
    open my $socket, '+<&=', $fd or die "descriptor $fd: $!\n";
    fcntl $socket, F_SETFD, FD_CLOEXEC;
    return bless {socket => $socket, input => '', tail => '', execution => 0}, $class;
}

sub field { return pack 'V/a*', $_[0] }

# Returns the type and payload of the next request; nothing if the agent has closed the socket.
sub receive {
    my ($self) = @_;
    for (;;) {
        my ($length, $execution, $type) = unpack 'VVC', $self->{input};
        my $size = HEADER_SIZE + ($length // 0);
        if (length $self->{input} >= HEADER_SIZE && length $self->{input} >= $size
            && ($type == SYNC || !$self->_is_in_mark($size))) {
            my $frame = substr $self->{input}, 0, $size, '';
            $self->{execution} = $execution;
            return ($type, substr $frame, HEADER_SIZE);
        }
        $self->_read() or return;
    }
}

# Whether the frame of that size may be incomplete: a mark may begin in it and continue after it.
sub _is_in_mark {
    my ($self, $size) = @_;
    my ($begun) = $self->{tail} =~ /(\xff\xfe*)\z/ or return 0;
    return length($begun) > length($self->{input}) - $size;
}

# SIGINT between executions does nothing.
sub _read {
    my ($self) = @_;
    my $chunk;
    my $n;
    do { $n = sysread $self->{socket}, $chunk, 1 << 20 } until defined $n || !$!{EINTR};
    return 0 unless $n;
    my $seen = $self->{tail} . $chunk;
    my $mark = rindex $seen, SYNC_MARK;
    $self->{tail} = substr $seen, -List::Util::min(length $seen, length(SYNC_MARK) - 1);
    if ($mark < 0) {
        $self->{input} .= $chunk;
    } else {
        $self->{input} = substr $seen, $mark + length SYNC_MARK;
    }
    return 1;
}

sub send {
    my ($self, $type, $payload) = @_;
    my $frame = pack('VVCx3', length $payload, $self->{execution}, $type) . $payload;
    while (length $frame) {
        my $n = syswrite $self->{socket}, $frame;
        if (defined $n) {
            substr $frame, 0, $n, '';
        } elsif (!$!{EINTR}) {
            exit 0;    # the agent has gone
        }
    }
}

# Returns at most TEXT_MAX bytes of UTF-8 without NUL: the beginning and the end, and between them
# the number of omitted bytes.
sub shorten {
    my ($text) = @_;
    utf8::decode($text) or utf8::upgrade($text);
    utf8::encode($text);
    $text =~ s/\0/\\x00/g;
    return $text if length $text <= TEXT_MAX;
    my $half = TEXT_MAX / 2 - 64;
    my $head = substr($text, 0, $half) =~ s/[\xc0-\xff][\x80-\xbf]*\z//r;
    my $tail = substr($text, -$half) =~ s/\A[\x80-\xbf]+//r;
    my $missing = length($text) - length($head) - length($tail);
    return "$head\n[... $missing bytes ...]\n$tail";
}

sub send_error {
    my ($self, @texts) = @_;
    $self->send(ERROR, join '', map { field(shorten($_)) } @texts);
}

1;
