#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What build-image takes for a recipe, and what it says of a bad one.

. "$(dirname "$0")/lib.sh"
set_up

# bad WHAT SED-SCRIPT MESSAGE: the recipe, changed so, is refused with that message.
bad() {
    sed "$2" "$here/recipe/recipe.conf" >"$recipe/recipe.conf"
    build
    is "$1" "$status $(cat "$tmp/err")" "1 build-image: $recipe/recipe.conf$3"
}

name="Name wants [a-z][a-z0-9-]{0,31}"
bad "name with a capital" 's/^Name=.*/Name=Tiny/' ":4: $name"
bad "name with a slash" 's/^Name=.*/Name=a\/b/' ":4: $name"
bad "name of 33 letters" "s/^Name=.*/Name=$(printf %033d 0 | tr 0 a)/" ":4: $name"
bad "empty name" 's/^Name=.*/Name=/' ":4: $name"

bad "no description" 's/^Description.*/Description=/' ":5: Description is empty"

packages="Packages wants names of packages, each with ';'"
bad "packages with a comma" 's/^Packages=.*/Packages=one,two/' ":6: $packages"
bad "option as a package" 's/^Packages=.*/Packages=--help;/' ":6: $packages"

bad "user with a space" 's/^User=.*/User=a b/' ":7: User wants [a-z_][a-z0-9_-]{0,31}"

bad "runner out of its folder" 's/^Runners=.*/Runners=..;/' \
    ":8: Runners wants names of languages, each with ';'"
bad "exercise for nobody" 's/^Exercise.tongue/Exercise.other/' \
    ": Exercise.other, but Runners does not name other"
bad "empty exercise" 's/^Exercise.tongue=.*/Exercise.tongue=/' ":9: Exercise.tongue is empty"

memory="MemoryMiB wants a number from 64 to 1048576"
bad "no memory" 's/^MemoryMiB=.*/MemoryMiB=0/' ":10: $memory"
bad "too little memory" 's/^MemoryMiB=.*/MemoryMiB=63/' ":10: $memory"
bad "memory with a unit" 's/^MemoryMiB=.*/MemoryMiB=1G/' ":10: $memory"
bad "octal memory" 's/^MemoryMiB=.*/MemoryMiB=0128/' ":10: $memory"
bad "65 processors" 's/^Vcpus=.*/Vcpus=65/' ":11: Vcpus wants a number from 1 to 64"
bad "disk larger than a number" 's/^DiskMiB=.*/DiskMiB=99999999999999999999/' \
    ":12: DiskMiB wants a number from 64 to 1048576"

bad "unknown key" 's/^Vcpus=/Cpus=/' ":11: Cpus is not known"
bad "key twice" 's/^Vcpus=.*/Name=again/' ":11: Name is there twice"
bad "missing key" '/^Vcpus=/d' ": Vcpus is missing"
bad "other section" 's/^\[Recipe\]/[Image]/' ":3: neither [Recipe] nor KEY=VALUE"
bad "value before the section" '1s/.*/Name=tiny/' ":1: a value before [Recipe]"
bad "line without a value" 's/^Vcpus=.*/Vcpus/' ":11: neither [Recipe] nor KEY=VALUE"

rm "$recipe/recipe.conf"
build
is "no recipe at all" "$status $(cat "$tmp/err")" \
    "1 build-image: there is no recipe in '$recipe': no recipe.conf"
cp "$here/recipe/recipe.conf" "$recipe"

mv "$runners/tongue" "$runners/tooth"
build
is "runner that is not there" "$status $(cat "$tmp/err")" \
    "1 build-image: tiny: there is no runner for tongue in '$runners'; --runners says where they are"
mv "$runners/tooth" "$runners/tongue"

mv "$agent" "$agent.away"
build
is "agent that is not there" "$status $(cat "$tmp/err")" \
    "1 build-image: tiny: there is no agent at '$agent'; --agent says where it is"
mv "$agent.away" "$agent"

is "nothing was made of any of these" "$(find "$store" 2>/dev/null)" ""

sed -i -e '/^Exercise/d' -e 's/^Packages=.*/Packages=/' -e 's/^Runners=.*/Runners=/' \
    "$recipe/recipe.conf"
must_build
is "lists may be empty" "$(grep -A 1 '^Runners' "$image/image.conf" | xargs)" \
    "Runners= MemoryMiB=128"
is "and then no package is asked for" "$(grep -c -e --include "$fake/calls")" 0

done_testing
