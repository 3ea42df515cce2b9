# What the far side of a push can do. `shell.sh` says how it is asked.
#
# $R is the directory as the list names it, $S where to stage if not beside it. Beside the directory, in $W, are:
#   lock.N    the lock: see `lock`
#   mark      what the last push left
#   stage/    what was brought, each file under its path
#   kept/     what was kept aside, a folder for each push that kept something
#   orders    what was asked last, if it was long: see $text in `shell.sh`
# Statuses beside those of programs: 51 held, 52 another file system, 53 no program for sums, 54 no place, 55 complaints.
# It needs nothing but a POSIX shell and the usual programs (cat, chmod, cksum, cp, find, grep, head, ln, ls, mkdir, mv,
# readlink, rm, rmdir, stat, sync, tr, uname, wc), and one that computes SHA-256; perl is used where it is.

trouble=
case $R in
/*) D=$R ;;
*) D=$(pwd -P)/$R ;;
esac
if [ -d "$D" ]; then
    D=$(cd -- "$D" && pwd -P) || trouble='it cannot be entered'
elif [ -e "$D" ] || [ -L "$D" ]; then
    trouble='something that is no directory stands there'
elif [ -d "${D%/*}/" ]; then
    up=$(cd -- "${D%/*}/" && pwd -P) || trouble='the directory above it cannot be entered'
    D=${up%/}/${D##*/}
else
    trouble='No such file or directory: the one above it does not exist'
fi
case $S in
'') W=${D%/*}/.${D##*/}.depsync-push ;;
*)
    # Several directories may share a place.
    W=.depsync-push-$(printf %s "$D" | cksum | tr ' ' -)
    case $S in
    /*) W=$S/$W ;;
    *) W=$(pwd -P)/$S/$W ;;
    esac
    ;;
esac

text=$W/orders
umask 077

if stat --printf= / >/dev/null 2>&1; then
    opt=--printf format='%f %s %n\0'
    ends() { cat; }
else
    if stat -c %f / >/dev/null 2>&1; then opt=-c format='%f %s %n'; else opt=-f format='%Xp %z %N'; fi
    ends() { tr '\n' '\000'; }
fi

if command -v sha256sum >/dev/null; then
    sum() { sha256sum -- "$@"; }
elif command -v shasum >/dev/null; then
    sum() { shasum -a 256 -- "$@"; }
elif command -v sha256 >/dev/null; then
    sum() { sha256 -r -- "$@"; }
else
    sum() { return 53; }
fi

prepare() {
    :
}

enter() {
    if [ -n "$trouble" ]; then
        echo "$trouble" >&2
        exit 1
    fi
    case $1 in
    begin\ *) ;;
    *) cd -- "$W" || exit 1 ;;
    esac
}

number() {
    stat -c "$1" -- "$2" 2>/dev/null || stat -f "$1" -- "$2"
}

# When process $1 was started, where the system says so: another one may get its number.
started() {
    line=
    { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null
    line=${line##*) }
    set -- $line
    echo "${20:--}"
}

# Whether whoever wrote the lock $1 is still there. Sets $pid, $nonce and $owner.
alive() {
    read -r pid when host nonce owner <"$1" || [ -n "$pid" ] || return 1
    case $pid in
    # Free, or cut off with the machine's power.
    '' | *[!0-9]*) return 1 ;;
    esac
    # Elsewhere it may live or not.
    [ "$host" = "$(uname -n)" ] || return 0
    [ -d "/proc/$pid" ] || kill -0 "$pid" 2>/dev/null || return 1
    [ "$when" = "$(started "$pid")" ]
}

highest() {
    highest=0
    for one in lock.[0-9]*; do
        one=${one#lock.}
        case $one in
        *[!0-9]*) continue ;;
        esac
        [ "$one" -gt "$highest" ] && highest=$one
    done
    return 0
}

# lock NONCE OWNER: the lock is the file lock.N with the highest N, as long as the one who wrote it is there: this shell,
# which ends with the connection. Whoever makes the next number has it, and takes away the lower ones; the highest stays,
# so that nobody who has looked at an old one can make the same number again.
lock() {
    echo "$$ $(started $$) $(uname -n) $1 $2" >"lock.new.$$" || return 1
    for try in 1 2 3 4 5 6 7 8 9 10; do
        highest
        if [ "$highest" -gt 0 ] && alive "lock.$highest"; then
            if [ "$nonce" != "$1" ]; then
                rm -f "lock.new.$$"
                echo "$owner" >&2
                return 51
            fi
            # Left over from an earlier push of the same node: it does not know yet that its connection is gone.
            kill -- "-$pid" 2>/dev/null || kill "$pid" 2>/dev/null
            [ "$try" -lt 2 ] || sleep 1
            continue
        fi
        mine=$((highest + 1))
        ln "lock.new.$$" "lock.$mine" 2>/dev/null || continue
        highest
        if [ "$highest" = "$mine" ]; then
            for one in lock.[0-9]*; do
                [ "$one" = "lock.$mine" ] || rm -f "$one"
            done
            rm -f lock.new.*
            return 0
        fi
        rm -f "lock.$mine"
    done
    rm -f "lock.new.$$"
    echo 'the lock cannot be taken' >&2
    return 1
}

# begin NONCE OWNER
begin() {
    if [ -L "$W" ]; then
        echo "a symbolic link stands where the directory $W is expected" >&2
        return 1
    fi
    [ -d "$W" ] || mkdir -- "$W" || return 54
    cd -- "$W" || return 54
    above=$D
    [ -d "$D" ] || above=${D%/*}/
    [ "$(number %d .)" = "$(number %d "$above")" ] || return 52
    lock "$1" "$2" || return
    echo "dir $D"
    echo "work $W"
    if [ -d "$D" ]; then
        place=$(stat -c '%d %i' -- "$D" 2>/dev/null || stat -f '%d %i' -- "$D") || return 1
        echo "place $place"
        [ -n "$(ls -A -- "$D" | head -n 1)" ] || echo empty
    fi
    [ ! -f mark ] || echo "mark $(head -c 200 mark)"
    [ "$(id -u)" != 0 ] || echo root
}

# Ends what `begin` began.
end() {
    highest
    echo free >lock.free && mv -f lock.free "lock.$highest"
}

# mark TEXT: with "settled", what a broken-off push has left is of no use any more.
mark() {
    case $1 in
    settled*) rm -rf stage orders said said.more puts ;;
    esac
    echo "$1" >mark.new && durable mark.new && mv -f mark.new mark && durable .
}

durable() {
    sync -- "$@" 2>/dev/null || sync
}

# What is to be done stands in a text: a short one comes in the request, a long one behind it.
run() {
    eval "$(printf %b "$bytes")"
}

orders() {
    . ./orders
}

# look PATH...: mode, size and name of what stands there.
look() {
    cd -- "$D" 2>/dev/null || return 0
    stat "$opt" "$format" -- "$@" 2>/dev/null | ends
}

everything() {
    cd -- "$D" 2>/dev/null || return 0
    find . ! -name . -exec stat "$opt" "$format" {} + 2>"$W/said" | ends
    # What goes away meanwhile is the server's business.
    grep -v 'No such file or directory' "$W/said" | head -n 3 >"$W/said.more"
    [ -s "$W/said.more" ] || return 0
    cat "$W/said.more" >&2
    return 1
}

targets() {
    cd -- "$D" || return 1
    for path; do
        readlink -- "$path"
        printf '\0'
    done
}

sums() {
    cd -- "$area" || return 1
    sum "$@" 2>/dev/null
    [ "$?" != 53 ] || return 53
}

# The steps of a push. What fails is said, and the others go on; whoever asked looks at what there is in the end.

# staged MODE PATH...: the permissions of what was brought.
staged() {
    mode=$1
    shift
    (cd stage && chmod "$mode" -- "$@")
}

# aside PATH...: a second name in the folder of what is kept.
aside() {
    for path; do
        case $path in
        */*) mkdir -p -- "$K/${path%/*}" ;;
        *) mkdir -p -- "$K" ;;
        esac
        ln -P -- "$D/$path" "$K/$path" 2>/dev/null || cp -pP -- "$D/$path" "$K/$path"
    done
}

# way PATH...: directories that must not stand there any more. What nobody knows in them is kept.
way() {
    for path; do
        rmdir -- "$D/$path" 2>/dev/null && continue
        [ -d "$D/$path" ] || continue
        case $path in
        */*) mkdir -p -- "$K/${path%/*}" ;;
        *) mkdir -p -- "$K" ;;
        esac
        if [ -e "$K/$path" ]; then
            mv -- "$D/$path" "$K/$path.left"
        else
            mv -- "$D/$path" "$K/$path"
        fi
    done
}

gone() {
    (cd -- "$D" && rm -f -- "$@")
}

emptied() {
    (cd -- "$D" && rmdir -- "$@" 2>/dev/null)
    return 0
}

made() {
    mode=$1
    shift
    (cd -- "$D" && mkdir -- "$@" && chmod "$mode" -- "$@")
}

modes() {
    mode=$1
    shift
    (cd -- "$D" && chmod "$mode" -- "$@")
}

# put DIRECTORY NAME...: files of one directory that were brought. `placed` ends a row of such calls: a process for each
# directory would take its time, so where there is perl it is one for all.
if command -v perl >/dev/null; then
    export D
    put() {
        into=$1
        shift
        for name; do
            printf '%s/%s\0' "$into" "$name"
        done >>puts
    }
    placed() {
        perl -0ne 'chomp; rename "stage/$_", "$ENV{D}/$_" or warn "$_: $!\n"' <puts
        rm -f puts
    }
else
    put() {
        to=$D/$1
        cd -- "$W/stage/$1" && shift && mv -f -- "$@" "$to/"
        cd -- "$W"
    }
    placed() {
        :
    }
fi

# link PATH TARGET
link() {
    rm -f link.new
    ln -s -- "$2" link.new || return 1
    mv -fT -- link.new "$D/$1" 2>/dev/null || mv -fh -- link.new "$D/$1" 2>/dev/null && return 0
    # What cannot be told to replace a link to a directory would move into it.
    rm -f -- "$D/$1"
    mv -f -- link.new "$D/$1"
}

# carry_out FOLDER SCRIPT: SCRIPT is `run` or `orders`.
carry_out() {
    K=$W/kept/$1
    [ -d "$D" ] || { mkdir -- "$D" && chmod 755 -- "$D"; } || return 1
    sync -f . 2>/dev/null || sync
    rm -f puts
    "$2" 2>said
    rm -rf stage
    sync -f . 2>/dev/null || sync
    [ ! -d kept ] || find kept -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} +
    [ -s said ] || return 0
    head -c 2000 said >&2
    return 55
}
