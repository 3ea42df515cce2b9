# What the far side of a hub can do. `shell.sh` says how it is asked; $R is the hub's directory.
#
# It needs nothing but a POSIX shell and the usual programs (chmod, cmp, grep, head, ln, mkdir, mv, rm, sort, stat, sync,
# tail, tr, wc). That something is not there is status 44.

# Makes names that are new on a network file system be seen: a directory that is opened is asked for again.
look() {
    case $1 in
    */*)
        look "${1%/*}"
        { true <"${1%/*}"; } 2>/dev/null
        ;;
    esac
}

absent() {
    if [ -e "$1" ] || [ -L "$1" ]; then
        echo "something that is no regular file stands there" >&2
        return 1
    fi
    return 44
}

# get NAME LIMIT: the first LIMIT bytes.
get() {
    look "$1"
    if [ -f "$1" ]; then
        head -c "$2" -- "$1" && return 0
    fi
    absent "$1"
}

# range NAME OFFSET LENGTH
range() {
    [ -f "$1" ] || look "$1"
    if [ -f "$1" ]; then
        tail -c "+$(($2 + 1))" -- "$1" | head -c "$3" && return 0
    fi
    absent "$1"
}

# list DIRECTORY LIMIT: its names, each behind d or f and before a NUL.
list() {
    look "$1/."
    [ -d "$1" ] || return 44
    cd -- "$1" || return 1
    count=0
    for name in * .[!.]* ..?*; do
        if [ -d "$name" ] && [ ! -L "$name" ]; then
            kind=d
        elif [ -e "$name" ] || [ -L "$name" ]; then
            kind=f
        else
            continue
        fi
        count=$((count + 1))
        [ "$count" -le "$2" ] || return 45
        printf '%s%s\0' "$kind" "$name"
    done
}

modified() {
    look "$1"
    [ -e "$1" ] || return 44
    time=$(stat -c %.9Y -- "$1" 2>/dev/null)
    case $time in
    '' | *[!0-9.]*) time=$(stat -c %Y -- "$1" 2>/dev/null || stat -f %m -- "$1") || return 1 ;;
    esac
    printf '%s' "$time"
}

# Makes a directory and those above it. A link in its place is not followed.
folder() {
    if [ -L "$1" ]; then
        echo "a symbolic link stands where the directory $1 is expected" >&2
        return 1
    fi
    [ -d "$1" ] && return 0
    case $1 in
    */*) folder "${1%/*}" || return 1 ;;
    esac
    mkdir -- "$1" 2>/dev/null || [ -d "$1" ] || mkdir -- "$1" || return 1
    above "$1"
}

home() {
    case $1 in
    */*) folder "${1%/*}" ;;
    esac
}

durable() {
    sync -- "$@" 2>/dev/null || sync
}

above() {
    case $1 in
    */*) durable "${1%/*}" ;;
    *) durable . ;;
    esac
}

# stage TEMPORARY: what is to be written, whole and durable. Why a write fails only other programs than the shell say.
stage() {
    home "$1" || return 1
    { printf '%b' "$bytes" >"$1"; } 2>/dev/null || printf '%b' "$bytes" | tail -c +1 >"$1" || return 1
    durable "$1"
}

# brought TEMPORARY: what rsync has brought, whole, is made durable.
brought() {
    [ -e "$1" ] || return 47
    chmod "$filemode" "$1" && durable "$1"
}

free() {
    if [ -d "$1" ]; then
        echo "a directory stands where the file $1 is expected" >&2
        return 1
    fi
}

# commit TEMPORARY NAME: the one compare-and-swap.
commit() {
    [ -e "$1" ] || return 47
    home "$2" && free "$2" || return 1
    if ln -- "$1" "$2" 2>/dev/null; then
        above "$2"
        rm -f -- "$1"
        return 0
    fi
    [ -e "$1" ] || return 47
    if [ -e "$2" ] || [ -L "$2" ]; then
        rm -f -- "$1"
        return 48
    fi
    ln -- "$1" "$2"
}

# place TEMPORARY NAME: gives a whole file its name, whatever has it.
place() {
    home "$2" && free "$2" || return 1
    [ -e "$1" ] || return 47
    mv -f -- "$1" "$2" && above "$2"
}

# packs (TEMPORARY NAME LENGTH)...: the same for what rsync has brought; what is there with its length stays.
packs() {
    sync -f . 2>/dev/null || sync
    while [ "$#" -gt 0 ]; do
        if [ -f "$2" ] && [ "$(($(wc -c <"$2")))" = "$3" ]; then
            rm -f -- "$1"
        else
            home "$2" && free "$2" || return 1
            [ -e "$1" ] || return 47
            chmod "$filemode" "$1" && mv -f -- "$1" "$2" || return 1
        fi
        shift 3
    done
    sync -f . 2>/dev/null || sync
}

# set_line TEMPORARY NAME KEY LIMIT: the line of KEY in a sorted text says what is to be written.
set_line() {
    home "$1" && home "$2" && free "$2" || return 1
    look "$2"
    {
        if [ -f "$2" ] && [ "$(($(wc -c <"$2")))" -le "$4" ]; then
            grep -v "^$3 " <"$2"
        fi
        printf '%s %b\n' "$3" "$bytes"
    } | sort >"$1" && durable "$1" && place "$1" "$2"
}

# nothing NAME LIMIT: whether nothing is there; what is there, otherwise.
nothing() {
    get "$@" && return 49
}

# same NAME LIMIT: whether what is to be written is there; what is there, otherwise.
same() {
    look "$1"
    [ -f "$1" ] || { absent "$1" || { [ "$?" = 44 ] && return 50; return 1; }; }
    printf '%b' "$bytes" | cmp -s - "$1" && return 0
    get "$@" && return 49
}

make() {
    [ -d "$R" ] || mkdir -- "$R"
}

# probe TEMPORARY OTHER: what can be done here.
probe() {
    if ! said=$({ folder tmp && printf x | tail -c +1 >"$1"; } 2>&1); then
        case $said in
        *'No space left'* | *'quota exceeded'*) echo full ;;
        esac
        rm -f -- "$1"
        return 0
    fi
    printf 'time %s\n' "$(modified "$1")"
    ln -- "$1" "$2" 2>/dev/null && ! ln -- "$1" "$2" 2>/dev/null && echo exclusive
    rm -f -- "$1" "$2"
}

# New files get the hub's mode, never writable for everybody.
heritage() {
    bits=$(stat -c %a -- "$R" 2>/dev/null || stat -f %Lp -- "$R" 2>/dev/null) || return 0
    bits=$((0$bits & 0775 | 0700))
    mask=$(printf '%o' "$((0777 & ~bits))")
    filemode=$(printf '%o' "$((bits & 0666))")
}

# What every call begins with, in the shell that stays.
prepare() {
    [ -n "$mask" ] || heritage
}

# Where every call is made.
enter() {
    [ -z "$mask" ] || umask "$mask"
    cd -- "$R" 2>/dev/null || { [ "$1" = make ] || exit 46; }
}

mask=
filemode=644
