# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Shell: one bash, which gets commands as lines on its standard input.
#
# Bash is interactive, because only an interactive bash returns to its prompt with its complete
# state wherever SIGINT hits it. It has no descriptors of the runner, which code could close or
# write to by mistake: its lines open them by their names in /proc, for one command each.
#
# - The standard input of executed code is /dev/null, opened for reading and writing, which
#   distinguishes it from a background job (Foreground.pm). Its output goes to the runner's
#   descriptors 1 and 2. Other output of bash (prompts, reports about jobs) goes to /dev/null.
# - Bash sets the modes of its terminal when a signal has killed a child. So it gets an unused
#   terminal, which is not its controlling terminal: programs that ask on a terminal find none.
# - Before and after each command, a line reports $? with a number. The report before the command
#   shows that it has begun: an earlier SIGINT would discard the line without executing it. The
#   report after the command shows that bash is idle. SIGINT may discard this line, too, so it is
#   sent again after a SIGINT: twice, because the first copy may be hit, and without quotes, because
#   bash executes the unread rest of a line that was hit as a command. A shell that cannot report
#   exits.
# - A shell that ends by itself prints its state (keep.bash) for its successor.

package Shell;

use strict;
use warnings;
use Errno ();
use Fcntl qw(F_SETFD F_SETFL FD_CLOEXEC O_NOCTTY O_NONBLOCK O_RDWR);
use Foreground;
use POSIX ();

use constant {PIDFD_OPEN => 434, TIOCSPTLCK => 0x40045431, TIOCGPTN => 0x80045430};

use constant {TRIES => 50, BETWEEN_TRIES_S => 0.01};    # of each SIGINT that bash ignores

my $interrupts = 0;

# Lines of a shell's state that a new shell must not execute: it would discard the line, read its
# input in another way, or exit.
use constant FIXED => qr/^(?:declare\ -\w+\ (?:BASHOPTS|BASH_VERSINFO|EUID|PPID|SHELLOPTS|UID)=
    |set\ .o\ (?:emacs|onecmd|vi)$).*\n/mx;

# Standard bash files, as an interactive shell reads them.
use constant RC_FILES => <<'END';
[ -r /etc/bash.bashrc ] && \builtin . /etc/bash.bashrc </dev/null >/dev/null
[ -r ~/.bashrc ] && \builtin . ~/.bashrc </dev/null >/dev/null
END

sub quote { return "'" . ($_[0] =~ s/'/'\\''/gr) . "'" }

# Starts the first shell, without the user's files if these end it.
sub new {
    my ($class, $here) = @_;
    my $self = bless {keep_file => "$here/keep.bash", serial => 0}, $class;
    $SIG{INT}  = sub { $interrupts++ };
    $SIG{PIPE} = sub { };    # a handler, and not IGNORE, which bash would inherit
    pipe $self->{reports}, $self->{report_end} or die "pipe: $!\n";
    pipe $self->{answers}, $self->{answer_end} or die "pipe: $!\n";
    fcntl $self->{$_}, F_SETFL, O_NONBLOCK for qw(reports answers);
    $self->_open_terminal();
    $self->_start(RC_FILES) or $self->_start('') or die "bash does not start\n";
    return $self;
}

# If there are no terminals, bash prints warnings; nothing else depends on it.
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
    my $arm = '\builtin trap -- ' . quote($keep) . ' EXIT';
    my $outcome = $self->_command("exec 2>/dev/null\n$setup\n$arm");
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

# Returns a redirection to one of the runner's descriptors.
sub _to {
    my ($self, $name) = @_;
    return ">|/proc/$$/fd/" . fileno $self->{$name};
}

sub seed {
    my ($self, $number) = @_;
    $self->_command('RANDOM=' . ($number & 0x7fffffff));
}

# Drops interrupts that arrived before the execution.
sub forget_interrupts { $interrupts = 0 }

# Executes code. Returns {status, was_interrupted}; if the shell has ended, has_ended, and is_kept
# if its state was saved.
sub execute {
    my ($self, $code, $last_status) = @_;
    my $outcome = $self->_execute($code, $last_status);
    if ($outcome->{is_kept} && !$outcome->{has_begun}) {    # it ended after the previous execution
        $outcome = $self->_execute($code, $last_status);
    }
    return $outcome;
}

# The code may have closed the descriptors in which bash saves those that it restores. So they are
# restored once more, by a line that bash has read completely before it executes the code.
sub _execute {
    my ($self, $code, $last_status) = @_;
    my $first = $self->{serial} + 1;
    my $line = join '; ', $self->_report(),
        $last_status ? "(\\builtin exit $last_status) && :" : (),
        '\builtin eval ' . quote($code) . " <>/dev/null >>/proc/$$/fd/1 2>>/proc/$$/fd/2",
        $self->_report() . ' || ' . $self->_report() . ' || \builtin exit || \exit',
        "\\exec </proc/$$/fd/" . fileno($self->{lines}) . ' >/dev/null 2>/dev/null';
    $self->{foreground} = Foreground->new($self->{pid});
    my $outcome = $self->_work($first, $line);
    $self->{foreground}->end_rest() if $outcome->{was_interrupted} && !$outcome->{has_ended};
    delete $self->{foreground};
    $self->_replace($outcome) if $outcome->{has_ended};
    return $outcome;
}

# Executes a command of the runner. Returns its $? and its output to answer_end.
sub ask {
    my ($self, $command) = @_;
    my $outcome = $self->_command($command);
    $self->_drain('answers');
    my $answer = $self->{answers_text};
    $self->_replace($outcome) if $outcome->{has_ended};
    return ($outcome->{status}, $answer);
}

sub answer_end { return $_[0]->_to('answer_end') }

# Kills the shell and its process group.
sub kill_all { kill KILL => -$_[0]{pid} }

# Executes lines of the runner, which are not interrupted.
sub _command {
    my ($self, $lines) = @_;
    my $first = $self->{serial} + 1;
    return $self->_work($first, $self->_report() . "\n$lines");
}

# Sends lines to bash and waits until it is idle. The first line begins with the report number
# `first`.
sub _work {
    my ($self, $first, $lines) = @_;
    @$self{qw(answers_text reports_text)} = ('', '');
    my $outcome = {was_interrupted => 0, reported => 0, tries => 0};
    $self->_write("$lines\n" . $self->_report() . "\n");
    until (defined $outcome->{status} && $outcome->{reported} == $self->{serial}) {
        $self->_interrupt($outcome) if $self->{foreground} && $outcome->{has_begun};
        my $has_ended = $self->_wait($outcome->{tries} ? BETWEEN_TRIES_S : undef);
        $self->_read_reports($first, $outcome);
        return $self->_bury($outcome) if $has_ended;
    }
    return $outcome;
}

sub _report {
    my ($self) = @_;
    $self->{serial}++;
    return "\\builtin printf %s\\ %s\\\\n $self->{serial} \"\$?\" " . $self->_to('report_end');
}

sub _report_interrupted {
    my ($self) = @_;
    $self->{serial}++;
    return "\\builtin printf %s\\ 130\\\\n $self->{serial} " . $self->_to('report_end') . "\n";
}

# The first report after that of the beginning has the status.
sub _read_reports {
    my ($self, $first, $outcome) = @_;
    while ($self->{reports_text} =~ s/\A(\d+) (\d+)\n//) {
        next if $1 < $first;
        $outcome->{has_begun} = 1;
        $outcome->{status} //= $2 if $1 > $first;
        $outcome->{reported} = $1;
    }
}

sub _interrupt {
    my ($self, $outcome) = @_;
    return unless $interrupts || $outcome->{tries};
    $outcome->{tries} = TRIES if $interrupts;
    $interrupts = 0;
    $outcome->{was_interrupted} = 1;
    $outcome->{tries} = $self->{foreground}->interrupt() ? 0 : $outcome->{tries} - 1;
    $self->_write("\n" . $self->_report_interrupted() . $self->_report_interrupted());
}

# Waits for reports, answers or the end of the shell. Returns whether the shell has ended.
sub _wait {
    my ($self, $timeout_s) = @_;
    my $wanted = '';
    vec($wanted, fileno $self->{$_}, 1) = 1 for qw(reports answers life);
    return 0 if 1 > select my $ready = $wanted, undef, undef, $timeout_s;
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

# Starts another shell, with the state of the previous one if it was saved.
sub _replace {
    my ($self, $outcome) = @_;
    if ($outcome->{is_kept}) {
        my $state = $self->{state} =~ s/@{[FIXED]}//gr;
        return if $self->_start('\builtin eval ' . quote($state) . ' </dev/null >/dev/null');
        $outcome->{is_kept} = 0;
    }
    $self->_start(RC_FILES) or $self->_start('') or die "bash does not start\n";
}

1;
