#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# An image has the right contents and digest, and a build repeats only the steps whose input has changed.

. "$(dirname "$0")/lib.sh"
set_up

# Prints the checksum that README.md defines, of all blocks including holes.
checksum() {
    /usr/bin/python3 - "$1" <<'END'
import hashlib, struct, sys
data, checksum = open(sys.argv[1], "rb").read(), hashlib.sha256()
for offset in range(0, len(data), 65536):
    block = data[offset : offset + 65536]
    if any(block):
        checksum.update(struct.pack("<Q", offset) + block)
print(f"Size={len(data)} Sha256={checksum.hexdigest()}")
END
}

section() {
    sed -n "/^\[$1\]/,/^$/{/^[^[]/p}" "$image/image.conf"
}

calls() {
    wc -l <"$fake/calls"
}

export http_proxy=http://proxy.example PYTHONDONTWRITEBYTECODE=1
must_build
is "an image is its name and its digest" "$(basename "$image" | grep -cE '^tiny-[0-9a-f]{16}$')" 1
is "the name leads to it" "$(realpath "$images/tiny")" "$image"
is "what the daemon reads" "$(section Image)" \
    "Name=tiny
Description=For tests; not for users
User=someone
Languages=bash;typescript;tongue
Runners=bash;
Exercise.bash=say(\"a;b\")\\n
MemoryMiB=128
Vcpus=2
Digest=${image##*-}
Kernel=9.9-cloud"
for part in disk.ext4 kernel initrd; do
    is "size and checksum of $part" "$(section $part | xargs)" "$(checksum "$image/$part")"
done
is "size of the disk" "$(stat -c %s "$image/disk.ext4")" $((64 * 1024 * 1024))
is "the disk is sparse" "$(($(stat -c %b "$image/disk.ext4") < 8192))" 1
is "content of the disk" "$(debugfs -R 'cat /etc/passwd' "$image/disk.ext4" 2>/dev/null)" someone
is "the disk has no journal" "$(dumpe2fs -h "$image/disk.ext4" 2>/dev/null | grep -c has_journal)" 0
is "the kernel" "$(cat "$image/kernel")" "a kernel"

initrd() {
    (mkdir -p "$tmp/initrd" && cd "$tmp/initrd" && cpio -idu --quiet <"$image/initrd" && cat "$1")
}
is "the agent is init" "$(initrd init)" agent
is "the runners of its languages" "$(cd "$tmp/initrd/runners" && echo *)" \
    "bash javascript jupyter python"
is "are there" "$(initrd runners/bash/run)" "runner of bash"
is "first module" "$(initrd modules/order | head -n 1)" virtio_ring.ko
is "each module is there" "$(cd "$tmp/initrd/modules" && cut -d ' ' -f 1 order | xargs cat | xargs)" \
    "$(sed 's/\.ko.*//' "$tmp/initrd/modules/order" | xargs)"
is "parameters of a module" "$(grep dummy "$tmp/initrd/modules/order")" "dummy.ko numdummies=0"
is "places to mount on" "$(cd "$tmp/initrd" && echo */)" \
    "dev/ modules/ proc/ root/ run/ runners/ sys/"

is "the machine's sources and the recipe's packages" \
    "$(grep -o -e '--include=[^ ]*' -e '[^ ]*.sources' "$fake/calls" | xargs)" \
    "--include=passwd,one,two $fake/one.sources"
is "the machine's proxy holds inside" "$(grep -c '^http_proxy$' "$fake/environment")" 1
is "its other environment does not" "$(grep -c PYTHONDONTWRITEBYTECODE "$fake/environment")" 0

must_build
is "nothing changed: it says so" "$(cat "$tmp/err")" \
    "build-image: tiny: image $(basename "$image") is up to date"
is "and does nothing" "$(calls)" 1

# changes WHAT ROOT-FILE-SYSTEMS: a build gives a new digest, replaces the old image, and makes so many of them.
changes() {
    local before=$image calls
    calls=$(calls)
    must_build
    isnt "$1: other digest" "$image" "$before"
    is "$1: the old image goes" "$(find "$images" -maxdepth 1 -name 'tiny-*')" "$image"
    is "$1: root file systems made" $(($(calls) - calls)) "$2"
}

first=$image
echo another >"$agent" && changes "agent" 0
is "only the steps that are taken are shown" "$(sed '$d' "$tmp/err")" \
    "build-image: tiny: packing the initrd
build-image: tiny: computing checksums"
echo another >"$runners/bash/run" && changes "runner" 0
echo another >"$runners/jupyter/run" && changes "runner that is started later" 0
touch "$runners/bash/more" && changes "file of a runner" 0
echo one >"$tmp/shared" && ln -s "$tmp/shared" "$runners/bash/link" && changes "link of a runner" 0
echo two >"$tmp/shared" && changes "what it leads to" 0
sed -i 's/^Vcpus=2/Vcpus=1/' "$recipe/recipe.conf" && changes "size of the machine" 0
sed -i 's/^Packages=one/Packages=three/' "$recipe/recipe.conf" && changes "packages" 1
sed -i 's/^User=.*/User=other/' "$recipe/recipe.conf" && changes "user" 1
sed -i 's/^DiskMiB=.*/DiskMiB=65/' "$recipe/recipe.conf" && changes "size of the disk" 1
echo 'echo more' >>"$recipe/setup.sh" && changes "setup.sh" 1
mkdir -p "$recipe/files/etc" && echo one >"$recipe/files/etc/one" && changes "files" 1
echo two >"$recipe/files/etc/one" && changes "content of a file" 1
before=$image
mv "$recipe/files" "$tmp/" && ln -s "$tmp/files" "$recipe/" && must_build
is "a link to the same files does not count" "$image" "$before"
mv "$recipe/packages" "$tmp/" && ln -s "$tmp/packages" "$recipe/" && must_build
is "a link to the same packages does not count" "$image" "$before"
sed -i 's/nothing/less/' "$tmp/packages/empty/control" && changes "empty package" 1
echo 1.1 >"$fake/kernel-version" && rm "$images"/.cache/apt-facts-* && changes "kernel" 0
is "one root file system and one kernel are kept" \
    "$(find "$images/.cache" -mindepth 1 -maxdepth 1 -type d | wc -l)" 2

# npm_package NAME VERSION BIN: adds a tarball to the fake's registry; prints the line for a recipe.
npm_package() {
    local file=$fake/registry/$(echo "$1-$2" | sed 's/^@//; s|/|-|').tgz
    mkdir -p "$fake/registry" "$tmp/npm/package"
    printf '{"name": "%s", "bin": %s}' "$1" "$3" >"$tmp/npm/package/package.json"
    echo "console.log('$1')" >"$tmp/npm/package/run.js"
    tar -czf "$file" -C "$tmp/npm" package
    echo "$1@$2 sha512-$(/usr/bin/python3 -c 'import base64, hashlib, sys
print(base64.b64encode(hashlib.sha512(sys.stdin.buffer.read()).digest()).decode())' <"$file");"
}

one=$(npm_package one 1.0.0 '{"first": "run.js", "second": "./run.js"}')
two=$(npm_package @of/two 2.0.0-rc.1 '"run.js"')
sed -i "s|^User=|Npm=$one$two\nUser=|" "$recipe/recipe.conf"
changes "packages of npm" 1
local=$(echo "$images"/.cache/npm-tiny-*/local)
is "they are where a global installation puts them" "$(cd "$local" && find lib -name '*.js' | sort | xargs)" \
    "lib/node_modules/@of/two/run.js lib/node_modules/one/run.js"
is "and so are their commands" "$(cd "$local/bin" && stat -L -c '%n %a' * | xargs)" \
    "first 755 second 755 two 755"
is "which lead to them" "$(cat "$local/bin/two")" "console.log('@of/two')"
root=$tmp/root
mkdir -p "$root"/etc/apt "$root"/usr/share/{doc,info,man,locale} "$root/usr/share/nodejs/one" "$tmp/only"
cp -r "$tmp/files" "$tmp/only/"
mkdir -p "$tmp/certificates/more" && echo one >"$tmp/certificates/one.crt" && echo two >"$tmp/certificates/more/two.crt"
ln -s more/two.crt "$tmp/certificates/three.crt" && echo no >"$tmp/certificates/README"
IMAGE_USER=root IMAGE_NPM=${local%/local} IMAGE_RECIPE=$tmp/only IMAGE_CERTIFICATES=$tmp/certificates \
    "$builder.d/root-customize" "$root"
is "both are in the root file system" "$(cat "$root/usr/local/bin/two")" "console.log('@of/two')"
is "this machine's certificates are in the root file system" \
    "$(cd "$root/usr/local/share/ca-certificates" && stat -c '%n %a' * | xargs) $(cat "$root"/usr/local/share/ca-certificates/* | xargs)" \
    "one.crt 644 three.crt 644 two.crt 644 one two two"
# sum FOLDER: what the digest has of these certificates.
sum() {
    (. "$builder.d/inputs.sh" && certificates=$1 && sum_certificates | sed 's/.* //' | xargs)
}
is "and in its digest" "$(sum "$tmp/certificates")" "./more/two.crt ./one.crt ./three.crt"
is "there may be none" "$(sum "$tmp/nowhere")$?" 0
is "node finds what is not Debian's" "$(readlink "$root"/usr/share/nodejs/{one,@of})" \
    "/usr/local/lib/node_modules/@of"
is "as the recipe's files are" "$(cat "$root/etc/one")" two
is "npm is asked for just them" "$(sed 's/.* //' "$fake/npm-calls" | xargs)" "one@1.0.0 @of/two@2.0.0-rc.1"
is "nothing else is kept of them" "$(ls "$(dirname "$local")")" local
is "the daemon does not read of them" "$(grep -c Npm "$image/image.conf")" 0
echo other >"$agent" && changes "agent beside packages of npm" 0
is "npm is not asked again" "$(wc -l <"$fake/npm-calls")" 2
sed -i '/^Npm=/d' "$recipe/recipe.conf" && changes "no packages of npm" 1
is "and none are kept" "$(find "$images/.cache" -name 'npm-*')" ""

before=$image
exec 5<"$before"
flock --shared 5
echo used >"$agent"
must_build
is "an image in use stays" "$(find "$images" -maxdepth 1 -name 'tiny-*' | wc -l)" 2
exec 5<&-
echo another >"$agent"
changes "image that was in use" 0

before=$image
conf=$images/../snapshots/abc/snapshot.conf
mkdir -p "${conf%/*}"
printf '[Snapshot]\nTemplate=tiny\nImage=%s\n' "${before##*-}" >"$conf"
echo kept >"$agent"
must_build
is "an image below a snapshot stays" "$(find "$images" -maxdepth 1 -name 'tiny-*' | wc -l)" 2
rm -r "${conf%/*}"
echo free >"$agent"
changes "image that was below a snapshot" 0

before=$image
touch -d 2001-01-01 "$agent" "$recipe"/* "$runners/bash/run"
mkdir "$runners/bash/__pycache__"
touch "$runners/bash/__pycache__/x.pyc"
must_build
is "times and python's traces do not count" "$image" "$before"

echo agent >"$agent"
for runner in bash jupyter; do
    echo "runner of $runner" >"$runners/$runner/run"
done
rm "$runners"/bash/{more,link} "$recipe"/{packages,files}
cp -r "$here/recipe/." "$recipe"
echo 1.0 >"$fake/kernel-version"
rm "$images"/.cache/apt-facts-*
must_build
is "the same things make the same digest" "$image" "$first"

done_testing
