# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Server: handles requests, one after the other, and sends their outcome as the protocol defines it.
#
# Bash has no values, so an execution has no results, only output and an exit status.

package Server;

use strict;
use warnings;
use Channel;
use Shell;

use constant {SILENT => 1, NO_HISTORY => 2, EXERCISE => 4};
use constant {OK => 0, FAILED => 1, INTERRUPTED => 2};
use constant {COMPLETE => 0, INCOMPLETE => 1, INVALID => 2};
use constant SYNTAX_STATUS_MAX => 2;    # bash does not tell such an error in another way

my ($channel, $shell);
my ($count, $last_status) = (0, 0);

sub main {
    my ($here) = @_;
    $channel = Channel->new(3);
    open STDIN, '<', '/dev/null';
    $shell = Shell->new($here);
    my (undef, $version) =
        $shell->ask('\builtin printf %s "$BASH_VERSION" ' . $shell->answer_end());
    $channel->send(Channel::READY, Channel::field('bash') . Channel::field(substr $version, 0, 64));
    while (my ($type, $payload) = $channel->receive()) {
        if    ($type == Channel::EXECUTE) { execute($payload) }
        elsif ($type == Channel::RESEED)  { reseed($payload) }
        elsif ($type == Channel::SYNC)    { $channel->send(Channel::SYNCED, $payload) }
        else                              { die "unknown request $type\n" }
    }
    $shell->kill_all();
}

sub execute {
    my ($flags, $dialect, $code, @environment) = unpack 'V V/a V/a V/(V/a)', $_[0];
    $code = with_own_line_ends($code);
    return check($dialect, $code) if $dialect =~ s/\A\?//;
    $shell->forget_interrupts();
    $count++ unless $flags & (SILENT | NO_HISTORY | EXERCISE);
    return refuse_dialect($dialect) if length $dialect;
    my ($former, $problem) = set_environment(@environment);
    return finish(FAILED, 'ValueError', $problem, '') if defined $problem;
    my $outcome = $shell->execute($code, $last_status);
    set_back($former, @environment);
    $last_status = $outcome->{status} unless $flags & EXERCISE;
    finish(conclude($outcome, $code));
}

# A check: the code is parsed and not executed. The host marks it by the first character of the
# dialect, because a runner that does not know checks refuses an unknown dialect and continues.
sub check {
    my ($dialect, $code) = @_;
    return refuse_dialect($dialect) if length $dialect;
    local $ENV{LC_ALL} = 'C';    # the messages are matched
    my ($status, $message) = parse_only($code);
    return finish(INTERRUPTED, 'KeyboardInterrupt', 'the check was interrupted', '')
        unless defined $status;
    my $answer = is_incomplete($code, $message) ? INCOMPLETE : $status == 0 ? COMPLETE : INVALID;
    $channel->send(Channel::COMPLETENESS, pack 'V V/a*', $answer, '');
    finish(OK);
}

# Bash also has messages that quote the code, so each of these is matched from the start of its
# line.
sub is_incomplete {
    my ($code, $message) = @_;
    return 1 if $code =~ /(?<!\\)(?:\\\\)*\\\z/;
    return $message =~ m/^bash:\ line\ \d+:\ (?:
        syntax\ error:\ unexpected\ end\ of\ file
        |unexpected\ EOF\ while
        |warning:\ here-document\ .*\ delimited\ by\ end-of-file)/mx;
}

sub refuse_dialect { finish(FAILED, 'ValueError', "Bash has no dialect '$_[0]'", '') }

# If the first line ends in CR LF, removes the CR from all lines, because bash takes it as a part of
# words.
sub with_own_line_ends {
    my ($code) = @_;
    return $code =~ /\A[^\n]*\r(?:\n|\z)/ ? $code =~ s/\r(?=\n|\z)//gr : $code;
}

# Returns the status of an execution and, unless it is OK, the name, value and traceback of its
# error.
sub conclude {
    my ($outcome, $code) = @_;
    my $status = $outcome->{status};
    return ended($outcome) if $outcome->{has_ended};
    return (OK) if $status == 0;
    return (INTERRUPTED, 'KeyboardInterrupt', 'the code was interrupted', '')
        if $outcome->{was_interrupted};
    my $message = $status <= SYNTAX_STATUS_MAX ? syntax_error($code) : '';
    return (FAILED, 'SyntaxError', $message =~ s/\n.*//sr, $message) if $message;
    return (FAILED, 'CommandFailed', "exit status $status", '');
}

sub ended {
    my ($outcome) = @_;
    return lost($outcome) unless $outcome->{is_kept};
    return (OK) if $outcome->{status} == 0;
    return (FAILED, 'SystemExit', "exit status $outcome->{status}", '');
}

# If the status is 0, this is not an error: a script may end in "exec PROGRAM", or in "exit" with a
# trap on EXIT. The message on stderr is for callers that continue.
sub lost {
    my ($outcome) = @_;
    my $how = $outcome->{signal}
        ? "was killed by signal $outcome->{signal}" : "ended with exit status $outcome->{status}";
    my $message = "the shell $how; its state is lost, and a new shell was started";
    return (FAILED, 'ShellEnded', $message, '') if $outcome->{signal} || $outcome->{status};
    print STDERR "bash: $message\n";
    return (OK);
}

# Returns bash's message about code that it cannot parse; '' if the code has failed for another
# reason.
sub syntax_error {
    my ($status, $message) = parse_only(@_);
    return $status ? $message =~ s/^bash: //gmr : '';
}

# Returns the exit status of "bash -n" and its messages; no status if it was interrupted.
sub parse_only {
    my ($code) = @_;
    my ($pid, $was_interrupted);
    local $SIG{INT} = sub { $was_interrupted = 1; kill KILL => $pid if $pid };
    pipe my $from, my $to or return (0, '');
    $pid = open(my $messages, '-|') // return (0, '');
    if ($pid == 0) {
        open STDIN,  '<&', $from;
        open STDERR, '>&', \*STDOUT;
        close $to;
        exec {'/bin/bash'} 'bash', '--norc', '-O', 'extglob', '-n';
    }
    close $from;
    print $to $code;
    close $to;
    my $message = join '', <$messages>;
    close $messages;
    return $was_interrupted ? () : ($?, $message);
}

sub assignments {
    return map { my ($name, $value) = split /=/, $_, 2; [$name, $value // ''] } @_;
}

sub is_name { return $_[0] =~ /\A[A-Za-z_][A-Za-z0-9_]*\z/ }

sub export_line {
    return '\builtin export' . join '', map { " $_->[0]=" . Shell::quote($_->[1]) } @_;
}

# Returns commands that restore the previous variables, and an error message.
sub set_environment {
    my @variables = assignments(@_) or return ('');
    for (@variables) {
        return ('', "'$_->[0]' is not a name of a variable in Bash") unless is_name($_->[0]);
    }
    my $names = join ' ', map { $_->[0] } @variables;
    my $to = $shell->answer_end();
    my (undef, $former) = $shell->ask("\\builtin declare -p $names 2>/dev/null $to || :");
    my (undef, $answer) = $shell->ask(export_line(@variables) . " && \\builtin printf set $to || :");
    return ($former) if $answer eq 'set';
    set_back($former, @_);
    return ('', "one of the variables $names cannot be set in Bash");
}

sub set_back {
    my ($former, @environment) = @_;
    return unless @environment;
    $shell->ask("\\builtin unset -v $_->[0] || :") for assignments(@environment);
    $shell->ask('\builtin eval ' . Shell::quote($former) . ' || :');
}

sub reseed {
    my ($entropy, @rest) = unpack 'V/a V/(V/a) V/a', $_[0];
    my $directory = pop @rest;
    $shell->seed(unpack '%32V*', $entropy);
    my @variables = assignments(@rest);
    $ENV{$_->[0]} = $_->[1] for @variables;    # of shells to come
    @variables = grep { is_name($_->[0]) } @variables;
    $shell->ask(export_line(@variables) . ' || :') if @variables;
    return finish(OK) if $directory eq '';
    my $can_enter = chdir $directory;
    return finish(FAILED, 'DirectoryError', "$directory: $!", '') unless $can_enter;
    $shell->ask('\builtin cd -- ' . Shell::quote($directory) . ' || :');
    finish(OK);
}

sub finish {
    my ($status, @error) = @_;
    $channel->send_error(@error) if @error;
    $channel->send(Channel::DONE, pack 'VV', $status, $count);
}

1;
