# Keeps one broker for a process that may die at any moment, even by SIGKILL: the end of standard input is the owner's end, and then the broker
# is killed and its folder removed. Orders come on standard input, one a line; each is answered with one line.
#
# $1: folder to remove at the end; $2: log; $3: container engine, empty where the broker is a plain process; $4: the container's name;
# the rest: the command that runs the broker in the foreground.
folder=$1 log=$2 engine=$3 container=$4
shift 4
exec 2>>"$log"
child=

# The broker's process: the child itself, or the one in the container, once the engine has made it.
process() {
    [ -n "$engine" ] || { echo "$child"; return; }
    while kill -s 0 "$child"; do
        inside=$("$engine" inspect --format '{{.State.Pid}}' "$container" </dev/null)
        [ "${inside:-0}" -eq 0 ] || { echo "$inside"; return; }
        sleep 0.1
    done
    echo gone
}

signal() {
    if [ -n "$engine" ]; then
        "$engine" kill --signal "$1" "$container" </dev/null >>"$log"
    else
        kill -s "$1" "$child"
    fi
}

# Signals the broker and waits until it is gone.
end() {
    [ -n "$child" ] || return 0
    signal "$1"
    wait "$child"
    child=
}

while read -r order; do
    case $order in
    START)
        "$@" </dev/null >>"$log" 2>&1 &
        child=$!
        process
        ;;
    KILL | TERM)
        end "$order"
        echo ended
        ;;
    STOP | CONT)
        signal "$order" && echo sent || echo failed
        ;;
    esac
done

end KILL
[ -z "$engine" ] || "$engine" rm --force --volumes "$container" </dev/null >>"$log"
rm -rf "$folder"
