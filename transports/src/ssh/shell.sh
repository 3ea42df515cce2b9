# The far side of a connection: reads requests line by line, does each, answers each.
#
# It stands behind the functions that can be called, which define `prepare` and `enter`, and all is sent as one line.
#
# A request is two lines, or three: "NONCE GATE COUNT", the call, and if COUNT is 1 what is to be written, with bytes
# as \0ooo. A higher COUNT is that of bytes behind the call, which go to the file $text: a line is read byte by byte.
# Nothing is sent behind them before the answer, since what takes them may read ahead. With the gate "g" it is left out if the request before it
# failed; that something is not there (44) is no failure. The answer is what the call
# prints, then a line feed, and a line "NONCE STATUS MESSAGE".
status=0
echo ready
while IFS=' ' read -r nonce gate count && IFS= read -r call; do
    bytes=
    if [ "$count" = 1 ]; then
        IFS= read -r bytes || exit 0
    elif [ "$count" != 0 ]; then
        if ! message=$(head -c "$count" 2>&1 >"$text") || [ "$(wc -c <"$text")" -ne "$count" ]; then
            # What is left of it cannot be told from requests.
            printf '\n%s 1 %s\n' "$nonce" "$message"
            exit 0
        fi
    fi
    if [ "$gate" = g ] && [ "$status" != 0 ] && [ "$status" != 44 ]; then
        printf '\n%s 99 \n' "$nonce"
        continue
    fi
    prepare
    {
        message=$(
            {
                enter "$call"
                eval "$call"
            } 2>&1 >&4 </dev/null
        )
        status=$?
    } 4>&1
    [ -z "$message" ] || message=$(printf '%s' "$message" | tr '\n\r' '  ')
    printf '\n%s %s %s\n' "$nonce" "$status" "$message"
done
