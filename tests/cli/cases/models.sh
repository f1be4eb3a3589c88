# row 102 and files that are no model, or no longer one
mkfifo pipe
t predict run toys/validation
t info toys
t info pipe
t info /dev/zero
t info nomodel
t info toys/train/mugs/mug.0.jpg
t evaluate nomodel toys
flip() { # OFFSET: the run's model with one bit turned over there
    local byte
    cp run/model.thimble flipped
    byte=$(od -An -tu1 -j "$1" -N 1 flipped)
    printf "\\x$(printf %x $((byte ^ 1)))" | dd of=flipped bs=1 seek="$1" conv=notrunc status=none
}
size=$(stat -Lc %s run/model.thimble)
for at in 0 9 100 5000 $((size / 2)) $((size - 1)); do
    flip "$at"
    thimble info flipped >/dev/null 2>message
    echo "[$?]"
    sed 1q message
done
head -c 1000 run/model.thimble >flipped
t info flipped
mv flipped flipped.thimble
t train toys -o x -q --init-from flipped
t train toys -o x -q --init-from flipped.thimble
t train toys -o x -q --init-from run/model.thimble
absent x
