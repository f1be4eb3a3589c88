# --precision: words, what a run keeps of it, what resumes
t train toys -o x --precision fp16
THIMBLE_PRECISION=half t predict run/model.thimble toys/validation/mugs/mug.0.jpg
t train toys -o x --img-size 32 -e 1 -q --device ref --precision bf16
absent x
t train toys $(quick a) --precision f32 2>&1 | grep -o 'threads, f32' | wc -l
grep -o '"precision": "f32"' a/run.json | wc -l
thimble train toys $(quick b) -q --precision auto >/dev/null
grep -cE '"precision": "(f32|bf16)"' b/run.json
THIMBLE_PRECISION=f32 t train --resume -o a -e 2 -q
t train --resume -o a -e 3 -q --device ref
t train --resume -o a -e 3 -q --device ref --precision bf16
grep -o '"precision": "f32"' a/run.json | wc -l
t evaluate a/model.thimble toys --precision f32 -q | head -n 1
t predict a/model.thimble toys/validation/mugs/mug.0.jpg --precision f32
