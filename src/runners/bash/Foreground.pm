# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Foreground: the processes of an execution, and how SIGINT reaches them so that bash heeds it.
#
# A bash that waits for a command passes over SIGINT unless the command dies of it. Two things
# make that a matter of luck: a command may just have ended by itself, and a bash that forked but
# is not yet the command forgets the signal. So each bash is stopped while its commands get the
# signal, from the innermost outwards; how they ended tells whether it will be heeded.
#
# Nothing tells which commands bash waits for. A job in the background has by bash's own rule an
# input of its own, and ignores SIGINT, until it sets what it does then, as node does. What has
# left the session has left the foreground of a terminal, too. Either is spared for as long as there
# is hope that it is not what bash waits for.
#
# And a subshell that is about to start a command exits with 130 then, which the bash that waits for
# it takes for an end like any other. So it is left to start the command.
#
# And there is a moment in which SIGINT makes bash 5.2 signal itself for ever: it has set the
# handler for waiting, and not yet noted the one before it. So none is sent to a bash that was
# stopped in the system call that sets it, or, if that can be helped, between system calls.

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
use constant {STATE => 0, SESSION => 3, EXIT_CODE => 49};    # in stat, behind the name
use constant {STEP_S => 0.0005, STEPS => 200, LOOKS => 10};    # how long one interrupt waits in all

# To be made before the execution: whatever the shell has running is not what SIGINT is for.
sub new {
    my ($class, $shell) = @_;
    return bless {
        shell      => $shell,
        program    => _program($shell),
        background => {map { $_ => 1 } _children($shell)},
        tries      => 0,
    }, $class;
}

# Interrupts it. Returns whether that was heeded, or may still be: else it is worth another try.
sub interrupt {
    my ($self) = @_;
    $self->{steps} = STEPS;
    $self->{tries}++;
    return $self->_interrupt_shell($self->{shell});
}

# What was started in the moment of the interrupt, and left behind.
sub end_rest {
    my ($self) = @_;
    for my $child ($self->_commands($self->{shell})) {
        kill INT => $_ for $self->_family($child);
    }
}

# A pipe's readers come before its writers: a reader that finds the end instead would end well.
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

# Stops it, where it waits for a command if that can be had. Returns whether SIGINT can do no harm:
# the end of a command of which it has not learned yet would make it pass over that.
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

# Returns the system call where it was stopped.
sub _stop_once {
    my ($self, $shell) = @_;
    kill STOP => $shell;
    until ((_stat($shell))[STATE] =~ /[TtXZ]/) {
        $self->_has_time() or last;
    }
    return _read("$shell/syscall");
}

# Whether commands died of SIGINT. The shell learns of those that have ended in their order, and the
# last decides. One that goes on may have reasons, unless it has only just become another program.
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

# A bash that was forked may be a job in the background which has not yet become one, or the builtin
# of a pipe, which ends well.
sub _awaits_new {
    my ($self, $shell) = @_;
    return $self->{tries} <= AWAITED
        && grep { $self->_is_shell($_) && !_children($_) } _children($shell);
}

# That of the foreground is open for writing, too.
sub _has_input_of_background {
    my ($pid) = @_;
    return (readlink("/proc/$pid/fd/0") // '') eq '/dev/null'
        && _read("$pid/fdinfo/0") =~ /^flags:\s*[0-7]*[04]$/m ? 1 : 0;
}

# A command and all that it started. Who started it comes first, so that it hears of SIGINT before
# it hears of an end and goes on, as xargs and find would.
sub _family {
    my ($self, @found) = @_;
    for (my $i = 0; $i < @found; $i++) {
        push @found, grep { $self->_is_in_session($_) } _children($found[$i]);
    }
    return @found;
}

sub _is_in_session { return (_stat($_[1]))[SESSION] == $_[0]{shell} }

sub _children { return split ' ', _read("$_[0]/task/$_[0]/children") }

# One that is gone is as one that ended well.
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
