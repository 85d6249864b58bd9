# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Foreground: sends SIGINT to the processes of an execution so that bash reacts to it.
#
# A bash that waits for a command ignores SIGINT unless the command is killed by it. This has two
# races: the command may just have ended by itself, and a forked bash that is not the command yet
# loses the signal. So each bash is stopped while its commands get the signal, from the innermost
# bash outwards. The exit statuses of the commands show whether bash will react.
#
# It cannot be determined which commands bash waits for. Bash gives a background job /dev/null as
# its input and lets it ignore SIGINT, but a program may install a handler, as node does. A process
# that has left the session has left the foreground of a terminal, too. Both kinds are spared at
# first, because bash probably does not wait for them.
#
# A subshell that gets SIGINT just before it starts a command exits with status 130, which its
# parent takes for a normal end. So SIGINT is not sent before the subshell has started the command.
#
# Bash 5.2 has a bug: if SIGINT arrives after it has set the handler for waiting, but before it has
# saved the previous handler, it sends itself signals in an endless loop. So SIGINT is not sent to a
# bash that was stopped in the system call that sets the handler and, if possible, not between
# system calls.

package Foreground;

use strict;
use warnings;
no warnings 'recursion';

use constant {SIGINT => 2, INT_BIT => 1 << 1};
# System calls: wait4, rt_sigaction of SIGINT, and clone, on x86-64 and on the others; and none.
use constant {WAITS => qr/^(?:61|260) /, SETS_HANDLER => qr/^(?:13|134) 0x2 /};
use constant FORKS => qr/^(?:56|220) /;
use constant IN_BETWEEN => qr/^-1 /;
use constant {SPARED => 10, AWAITED => 3};    # for how many tries; the former for each reason
use constant {STATE => 0, SESSION => 3, EXIT_CODE => 49};    # in stat, after the name
use constant {STEP_S => 0.0005, STEPS => 200, LOOKS => 10};    # how long one interrupt waits in all

# Must be created before the execution: processes that the shell already has do not get SIGINT.
sub new {
    my ($class, $shell) = @_;
    return bless {
        shell      => $shell,
        program    => _program($shell),
        background => {map { $_ => 1 } _children($shell)},
        tries      => 0,
    }, $class;
}

# Interrupts the execution. Returns false if bash has ignored the signal and it should be sent
# again.
sub interrupt {
    my ($self) = @_;
    $self->{steps} = STEPS;
    $self->{tries}++;
    return $self->_interrupt_shell($self->{shell});
}

# Interrupts commands that were started during the interrupt and are still running.
sub end_rest {
    my ($self) = @_;
    for my $child ($self->_commands($self->{shell})) {
        kill INT => $_ for $self->_family($child);
    }
}

# The readers of a pipe get SIGINT before its writers: otherwise a reader may see the end of its
# input and exit with success.
sub _interrupt_shell {
    my ($self, $shell) = @_;
    if (!$self->_stop($shell) || $self->_awaits_new($shell)) {
        kill CONT => $shell;
        return 0;
    }
    my @commands = $self->_commands($shell);
    my %is_shell = map { $_ => $self->_is_shell($_) } @commands;
    my $is_heeded = 1;
    for my $command (reverse @commands) {
        if ($is_shell{$command}) {
            $is_heeded = 0 unless $self->_interrupt_shell($command);
        } else {
            kill INT => $_ for $self->_family($command);
        }
    }
    if (@commands) {
        $is_heeded &&= $self->_have_died_of_it(\%is_shell, @commands);
    } elsif (_read("$shell/syscall") =~ WAITS) {
        $is_heeded = 0;    # for one that is just over
    }
    kill INT  => $shell;
    kill CONT => $shell;
    return $is_heeded;
}

# Stops the shell, if possible while it waits for a command. Returns whether SIGINT may be sent: if
# a command has ended and the shell has not noticed it yet, it would ignore the signal.
sub _stop {
    my ($self, $shell) = @_;
    my $call;
    for (1 .. LOOKS) {
        $call = $self->_stop_once($shell);
        last unless $call =~ IN_BETWEEN || $call =~ FORKS || $self->_has_news($shell)
            || $call =~ WAITS && !$self->_commands($shell);
        kill CONT => $shell;
        $self->_has_time();
    }
    $call = $self->_stop_once($shell);
    return $call !~ SETS_HANDLER && !$self->_has_news($shell);
}

sub _has_news {
    my ($self, $shell) = @_;
    return grep { _has_ended(_stat($_)) } _children($shell);
}

# Returns the system call in which the shell was stopped.
sub _stop_once {
    my ($self, $shell) = @_;
    kill STOP => $shell;
    until ((_stat($shell))[STATE] =~ /[TtXZ]/) {
        $self->_has_time() or last;
    }
    return _read("$shell/syscall");
}

# Whether SIGINT has killed the commands. The shell waits for them in their order, and the last one
# decides. A command that continues may handle SIGINT, unless it was still a shell and has just
# become another program.
sub _have_died_of_it {
    my ($self, $is_shell, @commands) = @_;
    my @alive = @commands;
    while (@alive = grep { !_has_ended(_stat($_)) && !_ignores_it($_) } @alive) {
        $self->_has_time() or last;
    }
    return 0 if grep { $is_shell->{$_} && !$self->_is_shell($_) } @alive;
    my @stat = _stat($commands[-1]);
    return !_has_ended(@stat) || ($stat[EXIT_CODE] & 127) == SIGINT;
}

sub _has_ended { return $_[STATE] =~ /[XZ]/ }

sub _has_time {
    my ($self) = @_;
    return 0 if $self->{steps}-- <= 0;
    select undef, undef, undef, STEP_S;
    return 1;
}

sub _is_shell { return _program($_[1]) eq $_[0]{program} }

sub _program { return readlink("/proc/$_[0]/exe") // '' }

sub _ignores_it {
    my ($mask) = _read("$_[0]/status") =~ /^SigIgn:\s*[0-9a-f]*([0-9a-f]{8})$/m;
    return hex($mask // 0) & INT_BIT;
}

# In the order in which they were started.
sub _commands {
    my ($self, $shell) = @_;
    return grep { !$self->{background}{$_} && !$self->_is_spared($_) } _children($shell);
}

sub _is_spared {
    my ($self, $pid) = @_;
    my $reasons = !$self->_is_in_session($pid) + _has_input_of_background($pid);
    return $self->{tries} <= $reasons * SPARED && $reasons;
}

# A forked bash may be a future background job that does not ignore SIGINT yet, or a builtin in a
# pipe, which exits with success.
sub _awaits_new {
    my ($self, $shell) = @_;
    return $self->{tries} <= AWAITED
        && grep { $self->_is_shell($_) && !_children($_) } _children($shell);
}

# The input of foreground commands is also /dev/null, but open for writing as well.
sub _has_input_of_background {
    my ($pid) = @_;
    return (readlink("/proc/$pid/fd/0") // '') eq '/dev/null'
        && _read("$pid/fdinfo/0") =~ /^flags:\s*[0-7]*[04]$/m ? 1 : 0;
}

# Returns a command and its descendants, parents first: a parent must get SIGINT before it sees the
# end of its child, after which xargs and find would continue.
sub _family {
    my ($self, @found) = @_;
    for (my $i = 0; $i < @found; $i++) {
        push @found, grep { $self->_is_in_session($_) } _children($found[$i]);
    }
    return @found;
}

sub _is_in_session { return (_stat($_[1]))[SESSION] == $_[0]{shell} }

sub _children { return split ' ', _read("$_[0]/task/$_[0]/children") }

# A process that does not exist counts as one that has exited with success.
sub _stat {
    my $text = _read("$_[0]/stat") || '0 () X 0 0 0' . ' 0' x EXIT_CODE;
    return split ' ', $text =~ s/.*\)//sr;
}

sub _read {
    my ($path) = @_;
    open my $file, '<', "/proc/$path" or return '';
    local $/;
    return <$file> // '';
}

1;
