#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# build-image finds recipes, and its error for a bad recipe names the problem.

. "$(dirname "$0")/lib.sh"
set_up

# bad WHAT SED-SCRIPT MESSAGE: the recipe is refused with the message when the script has changed it.
bad() {
    sed "$2" "$here/recipe/recipe.conf" >"$recipe/recipe.conf"
    build
    is "$1" "$status $(cat "$tmp/err")" "1 build-image: $recipe/recipe.conf$3"
}

name="Name must match [a-z][a-z0-9-]{0,31}"
bad "name with a capital" 's/^Name=.*/Name=Tiny/' ":4: $name"
bad "name with a slash" 's/^Name=.*/Name=a\/b/' ":4: $name"
bad "name of 33 letters" "s/^Name=.*/Name=$(printf %033d 0 | tr 0 a)/" ":4: $name"
bad "empty name" 's/^Name=.*/Name=/' ":4: $name"

bad "no description" 's/^Description.*/Description=/' ":5: Description is empty"

packages="Packages must be names of packages, separated by ';'"
bad "packages with a comma" 's/^Packages=.*/Packages=one,two/' ":6: $packages"
bad "option as a package" 's/^Packages=.*/Packages=--help;/' ":6: $packages"

bad "user with a space" 's/^User=.*/User=a b/' ":7: User must match [a-z_][a-z0-9_-]{0,31}"

bad "release with a space" 's/^User=.*/Suite=a b/' ":7: Suite must be the code name of a Debian release"
bad "release with a slash" 's/^User=.*/Suite=..\/x/' ":7: Suite must be the code name of a Debian release"
bad "release of 33 letters" "s/^User=.*/Suite=$(printf %033d 0 | tr 0 a)/" \
    ":7: Suite must be the code name of a Debian release"

npm="Npm must be packages, each NAME@VERSION sha512-CHECKSUM, separated by ';'"
checksum=sha512-$(printf %086d 0)==
bad "package of npm without a version" "s/^User=.*/Npm=x $checksum/" ":7: $npm"
bad "package of npm of any version" "s/^User=.*/Npm=x@latest $checksum/" ":7: $npm"
bad "package of npm without a checksum" 's/^User=.*/Npm=x@1.0.0/' ":7: $npm"
bad "package of npm with a short checksum" 's/^User=.*/Npm=x@1.0.0 sha512-AAAA==/' ":7: $npm"
bad "package of npm out of its folder" "s/^User=.*/Npm=..@1.0.0 $checksum/" ":7: $npm"
bad "option as a package of npm" "s/^User=.*/Npm=--x@1.0.0 $checksum/" ":7: $npm"

bad "language out of its folder" 's/^Languages=.*/Languages=..;/' \
    ":8: Languages must be names of languages, separated by ';'"
bad "runner out of its folder" 's/^Runners=.*/Runners=..;/' \
    ":9: Runners must be names of languages, separated by ';'"
bad "runner for nobody" 's/^Runners=.*/Runners=bash;python/' \
    ": Runners names python, but Languages does not"
bad "runner for everybody" 's/^\(Languages\|Runners\)=.*/\1=bash;jupyter/' \
    ": Runners names jupyter, which is not a language"
bad "exercise for nobody" 's/^Exercise.bash/Exercise.typescript/' \
    ": Exercise.typescript is set, but Runners does not name typescript"
bad "startup for nobody" 's/^Exercise.bash/Startup.typescript/' \
    ": Startup.typescript is set, but Runners does not name typescript"
bad "empty startup" 's/^Exercise.bash=.*/Startup.bash=/' ":10: Startup.bash is empty"
bad "empty exercise" 's/^Exercise.bash=.*/Exercise.bash=/' ":10: Exercise.bash is empty"

bad "network of another mode" 's/^Exercise.bash=.*/Network=on/' ":10: Network must be off, restricted or internet"
bad "entry with a space" 's/^Exercise.bash=.*/NetworkAllow=a b/' ":10: NetworkAllow must be entries of a network, separated by ';'"
bad "entries without a network" 's/^Exercise.bash=.*/NetworkAllow=a.com;[fd00::1]:80/' ": NetworkAllow is set, but Network is not"

memory="MemoryMiB must be a number from 64 to 1048576"
bad "no memory" 's/^MemoryMiB=.*/MemoryMiB=0/' ":11: $memory"
bad "too little memory" 's/^MemoryMiB=.*/MemoryMiB=63/' ":11: $memory"
bad "memory with a unit" 's/^MemoryMiB=.*/MemoryMiB=1G/' ":11: $memory"
bad "octal memory" 's/^MemoryMiB=.*/MemoryMiB=0128/' ":11: $memory"
bad "65 processors" 's/^Vcpus=.*/Vcpus=65/' ":12: Vcpus must be a number from 1 to 64"
bad "disk larger than a number" 's/^DiskMiB=.*/DiskMiB=99999999999999999999/' \
    ":13: DiskMiB must be a number from 64 to 1048576"

bad "unknown key" 's/^Vcpus=/Cpus=/' ":12: Cpus is not a known key"
bad "key twice" 's/^Vcpus=.*/Name=again/' ":12: Name is set twice"
bad "missing key" '/^Vcpus=/d' ": Vcpus is missing"
bad "other section" 's/^\[Recipe\]/[Image]/' ":3: expected [Recipe] or KEY=VALUE"
bad "value before the section" '1s/.*/Name=tiny/' ":1: a setting before [Recipe]"
bad "line without a value" 's/^Vcpus=.*/Vcpus/' ":12: expected [Recipe] or KEY=VALUE"

ln -s ../python/files "$recipe/files"
bad_link="'$recipe/files' is a dangling link; copy recipes with 'cp -rL'"
build
is "a link that was copied without its files" "$status $(cat "$tmp/err")" "1 build-image: $bad_link"
rm "$recipe/files"

rm "$recipe/recipe.conf"
build
is "no recipe at all" "$status $(cat "$tmp/err")" \
    "1 build-image: there is no recipe.conf in '$recipe'"
cp "$here/recipe/recipe.conf" "$recipe"

for runner in bash javascript jupyter python; do
    mv "$runners/$runner" "$tmp/away"
    build
    is "runner $runner that is not there" "$status $(cat "$tmp/err")" \
        "1 build-image: tiny: there is no runner '$runner' in '$runners'; specify the runners' folder with --runners"
    mv "$tmp/away" "$runners/$runner"
done

mv "$agent" "$agent.away"
build
is "agent that is not there" "$status $(cat "$tmp/err")" \
    "1 build-image: tiny: there is no agent at '$agent'; specify its path with --agent"
mv "$agent.away" "$agent"

is "nothing was made of any of these" "$(find "$store" 2>/dev/null)" ""

sed -i -e '/^Exercise/d' -e 's/^Packages=.*/Packages=/' -e 's/^Runners=.*/Runners=/' \
    -e 's/^Languages=.*/Languages=/' "$recipe/recipe.conf"
must_build
is "lists may be empty" "$(grep -A 2 '^Languages' "$image/image.conf" | xargs)" \
    "Languages= Runners= MemoryMiB=128"
is "and then only the builder's own package is asked for" \
    "$(grep -o -e '--include=[^ ]*' "$fake/calls")" --include=passwd

done_testing
