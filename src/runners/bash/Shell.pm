# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Shell: one bash, told by lines on its standard input what to do.
#
# It is an interactive bash, because only such a one comes back to its prompt, with all its state,
# from whatever SIGINT hits. It holds no descriptor of the runner's that code could close or write
# to by mistake: its lines open the runner's own by their names in /proc, for one command each.
#
# - Standard input of what is executed is /dev/null, its output the runner's descriptors 1 and 2.
#   What bash writes outside of that (prompts, news of jobs) goes to /dev/null.
# - Bash insists on setting a terminal's modes when a child was killed by a signal. It gets one that
#   nobody uses, and that does not control it: what wants to ask at a terminal finds none.
# - Behind each piece of work stands a line that reports $? with a number. SIGINT throws away the
#   line it meets, so after one the report is asked for anew, twice, because the first may be hit.
# - A shell that ends by itself prints its state (keep.bash) for its successor.

package Shell;

use strict;
use warnings;
use Errno ();
use Fcntl qw(F_SETFD F_SETFL FD_CLOEXEC O_NOCTTY O_NONBLOCK O_RDWR);
use POSIX ();

use constant {PIDFD_OPEN => 434, TIOCSPTLCK => 0x40045431, TIOCGPTN => 0x80045430};

my $interrupts = 0;

# Of a shell's state, what none can be told: it gives up the line, or takes its input elsewhere.
use constant FIXED => qr/^(?:declare\ -\w+\ (?:BASHOPTS|BASH_VERSINFO|EUID|PPID|SHELLOPTS|UID)=
    |set\ .o\ (?:emacs|vi)$).*\n/mx;

# Standard bash files, as an interactive shell reads them.
use constant RC_FILES => <<'END';
[ -r /etc/bash.bashrc ] && \builtin . /etc/bash.bashrc </dev/null >/dev/null
[ -r ~/.bashrc ] && \builtin . ~/.bashrc </dev/null >/dev/null
END

sub quote { return "'" . ($_[0] =~ s/'/'\\''/gr) . "'" }

# The first shell, and another one if its own files ended it.
sub new {
    my ($class, $here) = @_;
    my $self = bless {keep_file => "$here/keep.bash", serial => 0, reported => 0, background => {}}, $class;
    $SIG{INT}  = sub { $interrupts++ };
    $SIG{PIPE} = sub { };    # a handler, and not IGNORE, which bash would inherit
    pipe $self->{reports}, $self->{report_end} or die "pipe: $!\n";
    pipe $self->{answers}, $self->{answer_end} or die "pipe: $!\n";
    fcntl $self->{$_}, F_SETFL, O_NONBLOCK for qw(reports answers);
    $self->_open_terminal();
    $self->_start(RC_FILES) or $self->_replace();
    return $self;
}

# Where there are no terminals, bash complains now and then; that is all.
sub _open_terminal {
    my ($self) = @_;
    my ($unlock, $number) = (pack('i', 0), pack('i', 0));
    sysopen $self->{master}, '/dev/ptmx', O_RDWR | O_NOCTTY or return;
    ioctl $self->{master}, TIOCSPTLCK, $unlock;
    ioctl $self->{master}, TIOCGPTN,   $number;
    sysopen $self->{terminal}, '/dev/pts/' . unpack('i', $number), O_RDWR | O_NOCTTY;
}

sub _start {
    my ($self, $setup) = @_;
    pipe my $lines, my $to_bash or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    $self->_become_bash($lines) if $pid == 0;
    my $pidfd = syscall PIDFD_OPEN, $pid, 0;
    open my $life, '<&=', $pidfd or die "pidfd_open: $!\n";
    @$self{qw(pid lines life)} = ($pid, $to_bash, $life);
    my $keep = '{ \builtin . ' . quote($self->{keep_file}) . '; } </dev/null 2>/dev/null '
        . $self->_to('answer_end');
    my $outcome = $self->_work("exec 2>/dev/null\n$setup\n\\builtin trap -- " . quote($keep) . ' EXIT');
    return 0 if $outcome->{has_ended};
    $self->seed(_urandom());
    return 1;
}

sub _become_bash {
    my ($self, $lines) = @_;
    POSIX::setsid();
    my $null = '/dev/null';
    open STDIN,  '<&', $lines;
    open STDOUT, '>',  $null;
    $self->{terminal} ? open STDERR, '>&', $self->{terminal} : open STDERR, '>', $null;
    delete $ENV{HISTFILE};
    exec {'/bin/bash'} 'bash', '--noediting', '--norc', '+o', 'history', '+H', '-i'
        or POSIX::_exit(127);
}

sub _urandom {
    open my $file, '<:raw', '/dev/urandom' or die "/dev/urandom: $!\n";
    sysread $file, my $bytes, 4;
    return unpack 'L', $bytes;
}

# A redirection to one of the runner's descriptors.
sub _to {
    my ($self, $name) = @_;
    return '>|/proc/$PPID/fd/' . fileno $self->{$name};
}

sub seed {
    my ($self, $number) = @_;
    $self->_work('RANDOM=' . ($number & 0x7fffffff));
}

# Executes code. Returns {status, was_interrupted}; or has_ended, and then is_kept, too.
sub execute {
    my ($self, $code, $last_status) = @_;
    my $status = $last_status ? "(\\builtin exit $last_status) && :; " : '';
    $self->_note_background();
    my $outcome = $self->_work("${status}\\builtin eval " . quote($code)
        . ' </dev/null >>/proc/$PPID/fd/1 2>>/proc/$PPID/fd/2');
    $self->_replace($outcome) if $outcome->{has_ended};
    return $outcome;
}

# A command of the runner's own. Returns its $? and what it wrote to the answer's end.
sub ask {
    my ($self, $command) = @_;
    my $outcome = $self->_work($command);
    $self->_drain('answers');
    my $answer = $self->{answers_text};
    $self->_replace($outcome) if $outcome->{has_ended};
    return ($outcome->{status}, $answer);
}

sub answer_end { return $_[0]->_to('answer_end') }

# Ends it, and what it started.
sub kill_all { kill KILL => -$_[0]{pid} }

# Whatever it had running before is not what SIGINT is for.
sub _note_background {
    my ($self) = @_;
    $self->{background} = {map { $_ => 1 } _children($self->{pid})};
}

sub _children {
    my ($pid) = @_;
    open my $file, '<', "/proc/$pid/task/$pid/children" or return ();
    return split ' ', <$file> // '';
}

# All at once where there is nothing to spare. Otherwise bash first, which has to know when it
# learns that a child died of the signal, and then a pipe's readers before its writers: a reader
# that finds the end instead would end well, and bash go on.
sub _interrupt {
    my ($self) = @_;
    if (!%{$self->{background}}) {
        kill INT => -$self->{pid};
        return;
    }
    my @found = ($self->{pid});
    for (my $i = 0; $i < @found; $i++) {
        push @found, grep { !$self->{background}{$_} && _is_in_session($_, $self->{pid}) }
            _children($found[$i]);
    }
    kill INT => shift @found;
    kill INT => $_ for reverse @found;
}

sub _is_in_session {
    my ($pid, $session) = @_;
    open my $file, '<', "/proc/$pid/stat" or return 0;
    return ((split ' ', <$file> =~ s/.*\)//sr)[3] // 0) == $session;
}

sub _work {
    my ($self, $lines) = @_;
    $interrupts = 0;
    $self->{answers_text} = '';
    $self->{reports_text} = '';
    my $first = $self->{serial} + 1;
    my $outcome = {was_interrupted => 0};
    $self->_write("$lines\n" . $self->_report());
    until (defined $outcome->{status} && $self->{reported} == $self->{serial}) {
        if ($interrupts) {
            $interrupts = 0;
            $outcome->{was_interrupted} = 1;
            $self->_interrupt();
            $self->_write("\n" . $self->_report() x 2);
        }
        return $self->_bury($outcome) if $self->_wait();
        $self->_read_reports($first, $outcome);
    }
    return $outcome;
}

sub _report {
    my ($self) = @_;
    $self->{serial}++;
    return "\\builtin printf '%s %s\\n' $self->{serial} \"\$?\" " . $self->_to('report_end') . "\n";
}

# The first report of this work tells its status; later ones only that bash is at rest.
sub _read_reports {
    my ($self, $first, $outcome) = @_;
    while ($self->{reports_text} =~ s/\A(\d+) (\d+)\n//) {
        next if $1 < $first;
        $outcome->{status} //= $2;
        $self->{reported} = $1;
    }
}

# Waits for news. Returns whether the shell has ended.
sub _wait {
    my ($self) = @_;
    my $wanted = '';
    vec($wanted, fileno $self->{$_}, 1) = 1 for qw(reports answers life);
    select my $ready = $wanted, undef, undef, undef;
    return 0 if $!{EINTR} && $interrupts;
    my $has_ended = vec $ready, fileno $self->{life}, 1;
    $self->_drain($_) for qw(reports answers);
    return $has_ended;
}

sub _drain {
    my ($self, $name) = @_;
    while (sysread $self->{$name}, my $chunk, 1 << 16) {
        $self->{"${name}_text"} .= $chunk;
    }
}

sub _write {
    my ($self, $text) = @_;
    while (length $text) {
        my $n = syswrite $self->{lines}, $text;
        if (defined $n) {
            substr $text, 0, $n, '';
        } elsif (!$!{EINTR}) {
            return;    # it has ended
        }
    }
}

sub _bury {
    my ($self, $outcome) = @_;
    waitpid $self->{pid}, 0;
    $outcome->{has_ended} = 1;
    $outcome->{signal} = $? & 127;
    $outcome->{status} = $? >> 8;
    ($self->{state}) = $self->{answers_text} =~ /^(# begin\n.*^# end\n)\z/ms;
    $outcome->{is_kept} = defined $self->{state};
    return $outcome;
}

# Another shell, with the state of the one that ended where it could tell it.
sub _replace {
    my ($self) = @_;
    my $state = $self->{state};
    $state =~ s/@{[FIXED]}//g if defined $state;
    my $restore = defined $state
        ? '\builtin eval ' . quote($state) . ' </dev/null >/dev/null' : RC_FILES;
    $self->_start($restore) or $self->_start('') or die "bash does not start\n";
}

1;
