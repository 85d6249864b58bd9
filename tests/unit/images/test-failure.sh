#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A build that fails, is interrupted or runs beside another reports it, and leaves no incomplete image.

. "$(dirname "$0")/lib.sh"
set_up

mkdir "$tmp/bin"
ln -s /usr/bin/* "$tmp/bin"
rm -f "$tmp/bin/mmdebstrap" "$tmp/bin/xz"
PATH=$tmp/bin build
is "programs that are not there" "$status $(cat "$tmp/err")" \
    "1 build-image: tiny: required packages are not installed: mmdebstrap xz-utils"

echo "Npm=one@1.0.0 sha512-$(printf %086d 0)==" >>"$recipe/recipe.conf"
rm -f "$tmp/bin/npm"
PATH=$tmp/bin build
is "npm is missed for packages of it" "$status $(cat "$tmp/err")" \
    "1 build-image: tiny: required packages are not installed: mmdebstrap npm xz-utils"
build
is "a registry that is not reached" "$status $(grep -A 9 'failed while' "$tmp/err" | sed '2,/fetching npm packages/d;$d')" \
    "1 build-image: tiny: failed while fetching npm packages; the last lines of the log:
  npm error code ENOTFOUND
  npm cannot fetch one@1.0.0. 'npm ping' shows whether this machine can reach the registry;
  'npm config set registry URL' selects another one. Recipes without Npm= do not use npm."
mkdir "$fake/registry"
tar -czf "$fake/registry/one-1.0.0.tgz" -C "$recipe" .
build
is "another content than the recipe's" "$status $(grep -o 'the checksum of.*' "$tmp/err")" \
    "1 the checksum of npm package one@1.0.0 differs from the one in the recipe"
is "is not kept" "$(find "$images/.cache" -name 'npm-*')" ""
sed -i '/^Npm=/d' "$recipe/recipe.conf"

must_build
before=$image
echo 'echo more' >>"$recipe/setup.sh"

left() {
    (cd "$images" && find . -mindepth 1 -maxdepth 1 ! -name .cache ! -name .lock | sort | xargs)
}

touch "$fake/mmdebstrap-fails"
build
rm "$fake/mmdebstrap-fails"
is "a failed build fails" "$status" 1
is "prints no image" "$(cat "$tmp/out")" ""
is "says step, last lines and log" "$(tail -n 22 "$tmp/err")" \
    "build-image: tiny: failed while installing packages; the last lines of the log:
$(seq -f '  line %g' 21 40)
build-image: tiny: the full log is $images/build-tiny.log"
is "the log is whole" "$(grep -c '^line ' "$images/build-tiny.log")" 40
is "the image before stays" "$(realpath "$images/tiny")" "$before"
is "nothing else stays" "$(left)" "./build-tiny.log ./tiny ./$(basename "$before")"
is "no half root file system is kept" "$(find "$images/.cache" -name 'root-*' | wc -l)" 1

mkfifo "$fake/mmdebstrap-hangs"
for signal in INT TERM HUP; do
    # A shell's background jobs ignore SIGINT, and nohup makes processes ignore SIGHUP; the build must not.
    env --default-signal=INT,HUP "${command[@]}" >"$tmp/out" 2>"$tmp/err" &
    read -r _ <"$fake/mmdebstrap-hangs"
    kill "-$signal" $!
    status=0
    { wait $! || status=$?; } 2>/dev/null
    is "$signal ends it" "$status" $((128 + $(kill -l "$signal")))
    is "$signal: it says so" "$(tail -n 1 "$tmp/err")" "build-image: tiny: interrupted"
    is "$signal: nothing is left" "$(left)" "./tiny ./$(basename "$before")"
    # Waits, because the kernel may still be ending the processes. A survivor would hold the lock without end.
    is "$signal: nothing lives on" "$(flock --timeout 30 "$fake/alive" echo gone)" gone
    is "$signal: nothing is mounted" "$(grep -c "$store" /proc/self/mounts)" 0
done
rm "$fake/mmdebstrap-hangs"

mkdir "$images/.build-killed"
must_build
is "a killed build's rest is swept up" "$(left)" "./build-tiny.log ./tiny ./$(basename "$image")"

# The lock is held by this shell, as by another build.
exec 7>"$images/.lock"
flock 7
mkfifo "$tmp/words"
"${command[@]}" >"$tmp/out" 2>"$tmp/words" 7>&- &
exec 6<"$tmp/words"
read -r words <&6
is "the second waits and says so" "$words" \
    "build-image: tiny: waiting for another build in $images to end"
exec 7>&-
read -r words <&6
wait $!
is "and goes on after the first" "$words" \
    "build-image: tiny: image $(basename "$image") is up to date"

done_testing
