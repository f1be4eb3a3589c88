# lib.sh - what a case may use; each prints its command to both streams, so that they read as one story
#
#     t ARGS...       run thimble; its exit code stands in [] on stdout
#     quick NAME      the options of a short training into NAME
#     limited ...     t without the right to read or write what permissions forbid, for root too
#     json COMMAND    run it, and check that what it printed is JSON
#     absent FILE...  say which of them are not there
#     begin ARGS...   thimble in the background as $pid; until FILE waits; finished waits for its end

exec 3>&1 # headings go past what filters a command's output

say() {
    local line
    line=$(printf ' %q' "$@")
    printf '\n$%s\n' "$line" >&3
    printf '\n$%s\n' "$line" >&2
}
absent() {
    local file
    for file in "$@"; do [ -e "$file" ] || echo "no $file"; done
}
t() {
    say thimble "$@"
    thimble "$@"
    echo "[$?]"
}
quick() { echo "-o $1 --recipe keras2016 --img-size 32 -b 8 -e 1"; }
skip_case() {
    echo "$*" >&2
    exit 77
}

limited() {
    local drop=-dac_override,-dac_read_search
    say thimble "$@"
    if [ "$(id -u)" -ne 0 ]; then
        thimble "$@"
    else
        setpriv --bounding-set=$drop --inh-caps=$drop thimble "$@"
    fi
    echo "[$?]"
}

json() {
    say "$@"
    "$@" >answer.json
    echo "[$?]"
    "$json_check" answer.json && cat answer.json
}

# Job control gives the program its own signals: without it a background job ignores SIGINT.
begin() {
    say thimble "$@"
    set -m
    thimble "$@" &
    pid=$!
    set +m
}
until_there() {
    for _ in $(seq 600); do
        [ ! -e "$1" ] || return 0
        sleep 0.05
    done
    echo "$1 did not come" >&2
}
# A signal is to kill it: "Exit 130" would be no death by SIGINT, though $? is the same.
finished() {
    while [ -n "$(jobs -r)" ]; do sleep 0.05; done
    jobs | grep -o 'Exit .[0-9]*'
    wait "$pid"
    echo "[$?]"
} 2>/dev/null # where bash says "Hangup"
