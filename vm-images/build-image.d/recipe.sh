# SPDX-License-Identifier: LGPL-2.1-or-later
#
# recipe: reads recipe.conf, and takes nothing that it does not know.
#
# Values are kept as they stand in the file, GLib's escapes included: they go into image.conf, which
# the daemon reads with GLib.
#
# shellcheck shell=bash disable=SC2034

# Among the languages, it stands for every kernel that the guest has beside them.
any_kernel=jupyter
npm_name='(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*'
declare -A recipe=()
recipe_keys=()

# What is wrong with a value; nothing when it is good.
value_fault() {
    local key=$1 value=$2
    case $key in
    Name) fits "$value" '[a-z][a-z0-9-]{0,31}' ;;
    Suite) fits "$value" '[a-z]{1,32}' "the code name of a release of Debian" ;;
    User) fits "$value" '[a-z_][a-z0-9_-]{0,31}' ;;
    Packages) fits "$value" '([a-z0-9][a-z0-9+.-]+(;|$))*' "names of packages, each with ';'" ;;
    Npm)
        fits "$value" "($npm_name@[0-9][0-9A-Za-z.+-]* sha512-[A-Za-z0-9+/]{86}==(;|$))*" \
            "NAME@VERSION sha512-CHECKSUM, each with ';'"
        ;;
    Languages | Runners)
        fits "$value" '([a-z][a-z0-9-]*(;|$))*' "names of languages, each with ';'"
        ;;
    MemoryMiB | DiskMiB) fits_range "$value" 64 1048576 ;;
    Vcpus) fits_range "$value" 1 64 ;;
    Description | Startup.* | Exercise.*) [ -n "$value" ] || echo "is empty" ;;
    *) echo "is not known" ;;
    esac
}

fits() {
    [[ $1 =~ ^($2)$ ]] || echo "wants ${3:-$2}"
}

fits_range() {
    [[ $1 =~ ^[1-9][0-9]{0,6}$ && $1 -ge $2 && $1 -le $3 ]] || echo "wants a number from $2 to $3"
}

read_recipe() {
    local file=$1/recipe.conf line number=0 section= key value fault
    [ -f "$file" ] || die "there is no recipe in '$1': no recipe.conf"
    check_links "$1"
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        case $line in
        '' | '#'*) ;;
        '[Recipe]') section=Recipe ;;
        *=*)
            [ -n "$section" ] || die "$file:$number: a value before [Recipe]"
            key=$(trim "${line%%=*}") value=$(trim "${line#*=}")
            fault=$(value_fault "$key" "$value")
            [ -z "$fault" ] || die "$file:$number: $key $fault"
            [ -z "${recipe[$key]+set}" ] || die "$file:$number: $key is there twice"
            recipe[$key]=$value
            recipe_keys+=("$key")
            ;;
        *) die "$file:$number: neither [Recipe] nor KEY=VALUE" ;;
        esac
    done <"$file"
    check_whole "$file"
}

# Recipes share files by links, which a copy elsewhere may have lost.
check_links() {
    local link
    for link in "$1"/*; do
        [ -e "$link" ] || [ ! -L "$link" ] ||
            die "'$link' is a link to nothing; copy a recipe with its links' files: cp -rL"
    done
}

trim() {
    local text=$1
    text=${text#"${text%%[![:space:]]*}"}
    printf %s "${text%"${text##*[![:space:]]}"}"
}

check_whole() {
    local file=$1 key language
    for key in Name Description Packages User Languages Runners MemoryMiB Vcpus DiskMiB; do
        [ -n "${recipe[$key]+set}" ] || die "$file: $key is missing"
    done
    for language in $(list_items "${recipe[Runners]}"); do
        has_item Languages "$language" ||
            die "$file: Runners names $language, but Languages does not"
        [ "$language" != "$any_kernel" ] ||
            die "$file: Runners names $any_kernel, which is no language"
    done
    for key in "${recipe_keys[@]}"; do
        case $key in
        Startup.* | Exercise.*)
            has_item Runners "${key#*.}" ||
                die "$file: $key, but Runners does not name ${key#*.}"
            ;;
        esac
    done
}

has_item() {
    [[ ";${recipe[$1]};" = *";$2;"* ]]
}

# The items of a list value, one a line.
list_items() {
    tr ';' '\n' <<<"$1" | sed '/^$/d'
}

# The runners that execute the recipe's languages, one a line. jupyter shares modules of python's.
list_runners() {
    local language
    for language in $(list_items "${recipe[Languages]}"); do
        case $language in
        python | javascript | bash) echo "$language" ;;
        typescript) echo javascript ;;
        *) printf 'jupyter\npython\n' ;;
        esac
    done | sort -u
}
