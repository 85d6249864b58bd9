# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Shell: one bash, told by lines on its standard input what to do.
#
# It is an interactive bash, because only such a one comes back to its prompt, with all its state,
# from whatever SIGINT hits. It holds no descriptor of the runner's that code could close or write
# to by mistake: its lines open the runner's own by their names in /proc, for one command each.
#
# - Standard input of what is executed is /dev/null, for reading and writing, by which Foreground.pm
#   knows that from a job in the background; its output the runner's descriptors 1 and 2.
#   What bash writes outside of that (prompts, news of jobs) goes to /dev/null.
# - Bash insists on setting a terminal's modes when a child was killed by a signal. It gets one that
#   nobody uses, and that does not control it: what wants to ask at a terminal finds none.
# - Each piece of work stands between reports of $?, each with a number. The one before it says that
#   the work has begun: before that, SIGINT would throw away the line and not what it does. The one
#   behind it says that bash is at rest. SIGINT may throw that away, too, so after one it is asked
#   for anew, twice, because the first may be hit; without quotes, because what bash has not yet
#   read of the line that is hit is a command for it. A shell that cannot report ends.
# - A shell that ends by itself prints its state (keep.bash) for its successor.

package Shell;

use strict;
use warnings;
use Errno ();
use Fcntl qw(F_SETFD F_SETFL FD_CLOEXEC O_NOCTTY O_NONBLOCK O_RDWR);
use Foreground;
use POSIX ();

use constant {PIDFD_OPEN => 434, TIOCSPTLCK => 0x40045431, TIOCGPTN => 0x80045430};

use constant {TRIES => 50, BETWEEN_TRIES_S => 0.01};    # of each SIGINT that bash passes over

my $interrupts = 0;

# Of a shell's state, what none can be told: it would give up the line, take its input elsewhere, or
# end.
use constant FIXED => qr/^(?:declare\ -\w+\ (?:BASHOPTS|BASH_VERSINFO|EUID|PPID|SHELLOPTS|UID)=
    |set\ .o\ (?:emacs|onecmd|vi)$).*\n/mx;

# Standard bash files, as an interactive shell reads them.
use constant RC_FILES => <<'END';
[ -r /etc/bash.bashrc ] && \builtin . /etc/bash.bashrc </dev/null >/dev/null
[ -r ~/.bashrc ] && \builtin . ~/.bashrc </dev/null >/dev/null
END

sub quote { return "'" . ($_[0] =~ s/'/'\\''/gr) . "'" }

# The first shell, and another one if its own files ended it.
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

# A redirection to one of the runner's descriptors.
sub _to {
    my ($self, $name) = @_;
    return ">|/proc/$$/fd/" . fileno $self->{$name};
}

sub seed {
    my ($self, $number) = @_;
    $self->_command('RANDOM=' . ($number & 0x7fffffff));
}

# What came before an execution is not for it.
sub forget_interrupts { $interrupts = 0 }

# Executes code. Returns {status, was_interrupted}; or has_ended, and then is_kept, too.
sub execute {
    my ($self, $code, $last_status) = @_;
    my $outcome = $self->_execute($code, $last_status);
    if ($outcome->{is_kept} && !$outcome->{has_begun}) {    # it ended behind the former execution
        $outcome = $self->_execute($code, $last_status);
    }
    return $outcome;
}

# Code may have closed the descriptors in which bash keeps those that it has to come back to: so
# these are set once more, in a line that bash has read whole before.
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

# A command of the runner's own. Returns its $? and what it wrote to the answer's end.
sub ask {
    my ($self, $command) = @_;
    my $outcome = $self->_command($command);
    $self->_drain('answers');
    my $answer = $self->{answers_text};
    $self->_replace($outcome) if $outcome->{has_ended};
    return ($outcome->{status}, $answer);
}

sub answer_end { return $_[0]->_to('answer_end') }

# Ends it, and what it started.
sub kill_all { kill KILL => -$_[0]{pid} }

# What the runner itself wants is not interrupted.
sub _command {
    my ($self, $lines) = @_;
    my $first = $self->{serial} + 1;
    return $self->_work($first, $self->_report() . "\n$lines");
}

# Lines for bash, the first of which begins with the report of that number.
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

# The first report that is not of the beginning tells the status.
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

# Waits for news. Returns whether the shell has ended.
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

# Another shell, with the state of the one that ended where it could tell it.
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
