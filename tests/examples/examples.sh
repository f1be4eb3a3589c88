#!/usr/bin/env bash
# examples.sh BUILD - every example runs on a few drawn pictures and does what its first lines say
set -u
. "$(dirname "$0")/../meta.sh"
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
thimble() { "$build/thimble" "$@" -q; }
export THIMBLE_PRECISION=f32 # what the library computes in unless it is told
thimble sample toys -n 20

# The program, told the same, writes the same 20 pictures, byte for byte.
00_preview_cats() {
    local photo=toys/train/mugs/mug.1.jpg
    mkdir preview && "$build/examples/00_preview_cats" $photo &&
        thimble preview $photo --save-to-dir same --save-prefix cat --recipe keras2016 --rescale 1 --no-augment \
            --rotation-range 40 --width-shift-range 0.2 --height-shift-range 0.2 --shear-range 0.2rad \
            --zoom-range 0.2 --horizontal-flip &&
        diff -r preview same && [ "$(ls preview | wc -l)" = 20 ]
}

# The figures of the program's recipe, to their last printed digit; and weights that it takes.
01_small_convnet() {
    "$build/examples/01_small_convnet" toys 2 >lines &&
        thimble train toys -o run --recipe keras2016 --seed 1 --epochs 2 &&
        awk -F'[:,]' '{printf "epoch %2d  loss %.4f  acc %.4f  val_loss %.4f  val_acc %.4f\n", $2, $6, $8, $10, $12}' \
            run/metrics.jsonl | diff - lines &&
        thimble export run/model.thimble --init-from first_try.h5 -o here.npz &&
        thimble export run/model.thimble -o there.npz && cmp here.npz there.npz
}

# Random weights: the features are those of `thimble features` for the same photos and pixels.
02_bottleneck_features() {
    "$build/examples/02_bottleneck_features" toys 1 32 random >lines &&
        thimble info bottleneck_features_train.npy >about && grep -q '(16, 1, 1, 512)' about &&
        thimble features toys --part train --backbone vgg16 --weights random --img-size 32 \
            --preprocess post --pooling none -o same.npy &&
        cmp bottleneck_features_train.npy same.npy && [ "$(wc -l <lines)" = 1 ]
}

# Goes on from the top of 02; what is saved replays its stored outputs.
03_fine_tune() {
    "$build/examples/03_fine_tune" toys 1 32 random >lines && [ "$(wc -l <lines)" = 1 ] &&
        thimble info --verify fine_tuned.thimble >/dev/null
}

for source in "$root"/examples/*.c; do
    name=$(basename "$source" .c)
    if declare -F "$name" >/dev/null; then check "$name" "$name"; else fail "$name is not run by $0"; fi
done
finish
