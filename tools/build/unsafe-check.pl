#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# unsafe-check.pl DIR: the word `unsafe` may appear in code only below
# DIR/kernel and DIR/ffi and in files named exports.rs. Comments and literals do
# not count. Prints each offending line; exits 1 if there is one.

use strict;
use warnings;
use File::Find;

my $dir = shift // die "usage: unsafe-check.pl DIR\n";
die "error: there is no directory $dir\n" unless -d $dir;
my $bad = 0;
my $seen = 0;

# Blank what is no code, but keep line ends, so that line numbers stay true.
sub code_only {
	my ($text) = @_;
	my $blank = sub { (my $s = shift) =~ s/[^\n]//g; $s };
	# Rust's block comments nest.
	my $block;
	$block = qr{/\*(?:(?>[^*/]+)|\*(?!/)|/(?!\*)|(??{$block}))*\*/}s;
	$text =~ s{
		( //[^\n]*
		| $block
		| b?c?r(\#*)".*?"\2
		| [bc]?"(?:[^"\\]|\\.)*"
		| b?'(?:[^'\\\n]|\\[^\n][^'\n]*)'
		)}{$blank->($1)}gsex;
	return $text;
}

find({ no_chdir => 1, wanted => sub {
	if (-d && m{/(?:target|fuzz)$}) {
		$File::Find::prune = 1;
		return;
	}
	return unless /\.rs$/ && -f;
	return if m{^\Q$dir\E/(?:kernel|ffi)/} || m{/exports\.rs$};
	$seen++;
	open(my $fh, '<', $_) or die "error: $_: $!\n";
	my $code = code_only(do { local $/; <$fh> // '' });
	my $line = 0;
	for my $text (split /\n/, $code, -1) {
		$line++;
		next unless $text =~ /\bunsafe\b/;
		print "$_:$line: unsafe code is allowed only in $dir/kernel, $dir/ffi and exports.rs\n";
		$bad++;
	}
}}, $dir);
die "error: there is no Rust file below $dir\n" unless $seen;
exit($bad ? 1 : 0);
