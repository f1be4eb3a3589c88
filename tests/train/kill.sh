#!/bin/bash
# kill.sh PROGRAM [KILLS] [SEED] - kill -9 at random moments, resume, and get the uninterrupted run's bytes
#
# One training is left alone; another is killed KILLS times (12), at moments drawn evenly over the time
# that the first one took, and goes on with --resume where there is a checkpoint. After each kill what
# is in the run folder must be whole; at the end model and predictions must be equal, byte for byte.
source "$(dirname "$0")/../meta.sh"
program=$(realpath "$1")
kills=${2:-12}
RANDOM=${3:-1}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2

# The small net, so that most of the time goes into steps and not into writing; averages and slots are
# both in play.
train=("$program" train toys --recipe keras2016 --img-size 32 --epochs 100 --batch-size 8 --average 0.9
    --seed 1 -q)
now_ms() { date +%s%3N; }
resume() { if [ -f cut/checkpoint.thimble ]; then echo --resume; fi; }

"$program" sample toys -n 40 --seed 3 -q || exit 2
start=$(now_ms)
"${train[@]}" -o whole >whole.log 2>&1 || { cat whole.log; fail "the uninterrupted run"; finish; }
length=$(($(now_ms) - start))

early=0 late=0 i=0
while [ $i -lt "$kills" ] && [ $late -lt $((3 * kills)) ]; do
    moment=$((RANDOM * length / 32767))
    "${train[@]}" -o cut $(resume) >cut.log 2>&1 &
    child=$!
    sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
    kill -9 $child 2>/dev/null
    wait $child 2>/dev/null
    status=$?
    case $status in
    137) i=$((i + 1)) ;;
    0) late=$((late + 1)) ;; # finished first: this was no kill
    *)
        fail "kill $i at $moment ms: the run ended with $status: $(cat cut.log)"
        break
        ;;
    esac
    [ -f cut/checkpoint.thimble ] || early=$((early + 1))
    for file in cut/checkpoint.thimble cut/model.thimble; do
        [ -f $file ] && check "kill $i at $moment ms: $file" "$program" info $file
    done
    # A finished run has nothing left to kill: the next one starts anew.
    if [ $status = 0 ]; then
        check "kill $i: finished, same model" cmp whole/model.thimble cut/model.thimble
        rm -rf cut
    fi
done
mkdir -p cut && : >cut/.thimble-1-0.tmp # as a kill in the middle of writing leaves it
check "the last resume" "${train[@]}" -o cut $(resume)
check "same model" cmp whole/model.thimble cut/model.thimble
check "same predictions" cmp whole/predictions.csv cut/predictions.csv
check "nothing temporary is left" test -z "$(find cut -name '*.tmp')"
echo "$kills kills in runs of $length ms: $early before the first checkpoint, $late came too late"
finish
