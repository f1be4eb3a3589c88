# rows 1 to 4: commands, options and values that are none
t train --epocs 3
t train --batchsize
t train -Z
t train toys -oo --frobnicate
t train toys -o
t train toys -o x --json=1
for value in 0 -1 1e9 abc 99999 ''; do t train toys -o x --batch-size "$value"; done
for value in nan inf -1 0 1,5 0x10; do t train toys -o x --lr "$value"; done
t train toys -o x --zoom-range 2,1
t train toys -o x --shear-range 0.2grad
t train toys -o x --cache-memory 1T
t train toys -o x --opt sdg
t train
t train toys
t train toys more -o x
t evaluate run/model.thimble
t predict
t predict run/model.thimble
t preview toys
t info
t sample
t predict run/model.thimble --top-k 0 toys/validation/mugs/mug.0.jpg
cp toys/validation/mugs/mug.0.jpg ./-dash.jpg
t predict run/model.thimble -dash.jpg
t predict run/model.thimble -- -dash.jpg
absent x

# Keras' names, and its shear of 2016
t train toys -o x --optimizer adam
t train toys -o x --target_size 64
t train toys -o x --rotation_range 40
t preview toys -o grid.png --rows 1 --variants 1 --img-size 16 --shear-range 0.2
t preview toys -o grid.png --rows 1 --variants 1 --img-size 16 --shear-range 0.2rad --force
