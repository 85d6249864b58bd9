# SPDX-License-Identifier: LGPL-2.1-or-later
#
# recipe: reads recipe.conf, and refuses unknown keys and invalid values.
#
# Values are kept exactly as in the file, including escape sequences of GLib's key files: they are
# copied into image.conf, which the daemon reads with GLib.
#
# shellcheck shell=bash disable=SC2034

# The language that stands for all other Jupyter kernels of the guest.
any_kernel=jupyter
npm_name='(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*'
declare -A recipe=()
recipe_keys=()

# Prints what is wrong with a value, or nothing if it is valid.
value_fault() {
    local key=$1 value=$2
    case $key in
    Name) fits "$value" '[a-z][a-z0-9-]{0,31}' ;;
    Suite) fits "$value" '[a-z]{1,32}' "be the code name of a Debian release" ;;
    User) fits "$value" '[a-z_][a-z0-9_-]{0,31}' ;;
    Packages) fits "$value" '([a-z0-9][a-z0-9+.-]+(;|$))*' "be names of packages, separated by ';'" ;;
    Npm)
        fits "$value" "($npm_name@[0-9][0-9A-Za-z.+-]* sha512-[A-Za-z0-9+/]{86}==(;|$))*" \
            "be packages, each NAME@VERSION sha512-CHECKSUM, separated by ';'"
        ;;
    Languages | Runners)
        fits "$value" '([a-z][a-z0-9-]*(;|$))*' "be names of languages, separated by ';'"
        ;;
    Network) fits "$value" 'off|restricted|internet' "be off, restricted or internet" ;;
    NetworkAllow | NetworkDeny)
        fits "$value" '([][A-Za-z0-9_.*:/-]+(;|$))*' "be entries of a network, separated by ';'"
        ;;
    MemoryMiB | DiskMiB) fits_range "$value" 64 1048576 ;;
    Vcpus) fits_range "$value" 1 64 ;;
    Description | Startup.* | Exercise.*) [ -n "$value" ] || echo "is empty" ;;
    *) echo "is not a known key" ;;
    esac
}

# fits VALUE PATTERN [RULE]
fits() {
    [[ $1 =~ ^($2)$ ]] || echo "must ${3:-match $2}"
}

fits_range() {
    [[ $1 =~ ^[1-9][0-9]{0,6}$ && $1 -ge $2 && $1 -le $3 ]] || echo "must be a number from $2 to $3"
}

read_recipe() {
    local file=$1/recipe.conf line number=0 section= key value fault
    [ -f "$file" ] || die "there is no recipe.conf in '$1'"
    check_links "$1"
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        case $line in
        '' | '#'*) ;;
        '[Recipe]') section=Recipe ;;
        *=*)
            [ -n "$section" ] || die "$file:$number: a setting before [Recipe]"
            key=$(trim "${line%%=*}") value=$(trim "${line#*=}")
            fault=$(value_fault "$key" "$value")
            [ -z "$fault" ] || die "$file:$number: $key $fault"
            [ -z "${recipe[$key]+set}" ] || die "$file:$number: $key is set twice"
            recipe[$key]=$value
            recipe_keys+=("$key")
            ;;
        *) die "$file:$number: expected [Recipe] or KEY=VALUE" ;;
        esac
    done <"$file"
    check_keys "$file"
}

# Recipes share files through symbolic links, which dangle after a copy without cp -L.
check_links() {
    local link
    for link in "$1"/*; do
        [ -e "$link" ] || [ ! -L "$link" ] ||
            die "'$link' is a dangling link; copy recipes with 'cp -rL'"
    done
}

trim() {
    local text=$1
    text=${text#"${text%%[![:space:]]*}"}
    printf %s "${text%"${text##*[![:space:]]}"}"
}

# Checks that all required keys are set, and that they agree.
check_keys() {
    local file=$1 key language
    for key in Name Description Packages User Languages Runners MemoryMiB Vcpus DiskMiB; do
        [ -n "${recipe[$key]+set}" ] || die "$file: $key is missing"
    done
    for language in $(list_items "${recipe[Runners]}"); do
        has_item Languages "$language" ||
            die "$file: Runners names $language, but Languages does not"
        [ "$language" != "$any_kernel" ] ||
            die "$file: Runners names $any_kernel, which is not a language"
    done
    for key in "${recipe_keys[@]}"; do
        case $key in
        NetworkAllow | NetworkDeny)
            [ -n "${recipe[Network]+set}" ] || die "$file: $key is set, but Network is not"
            ;;
        Startup.* | Exercise.*)
            has_item Runners "${key#*.}" ||
                die "$file: $key is set, but Runners does not name ${key#*.}"
            ;;
        esac
    done
}

has_item() {
    [[ ";${recipe[$1]};" = *";$2;"* ]]
}

# Prints the items of a list value, one per line.
list_items() {
    tr ';' '\n' <<<"$1" | sed '/^$/d'
}

# Prints the runners that execute the recipe's languages, one per line. The jupyter runner imports
# modules of the python runner.
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
