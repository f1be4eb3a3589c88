# Keras' stream, its names for options, and pictures saved one by one
t preview toys/train/mugs/mug.1.jpg --save-to-dir cats --save-prefix cat --save-format jpeg --save-count 3 --rng numpy --augment-preset keras3 --no-augment --rotation-range 40 --seed 3
ls cats
t preview toys --save-to-dir seen --subset validation --save-count 3 --img-size 32 --no-augment --color-mode grayscale
ls seen
t preview toys --save-to-dir seen --save-format gif
t preview toys
printf 'photo\tkind\tcounts\n' >table.tsv
for f in toys/train/*/*; do printf '%s\t%s\t%s\n' "${f#toys/}" "$(basename "$(dirname "$f")")" 1.5; done >>table.tsv
t train table.tsv $(quick out) --x-col photo --y-col kind --weight-col counts --directory toys --val-split 0.5 -q
t train table.tsv $(quick no) --x-col photo --y-col sort --directory toys -q
t train toys $(quick numpy) --rng numpy --augment-preset keras2 --keep-aspect-ratio --follow-links --color-mode grayscale -q
grep -c '"rng": "numpy"' numpy/run.json
t train toys $(quick numpy) --rng numpy --seed 4294967296 -q --force
