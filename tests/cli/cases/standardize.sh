# train standardizes by the training photos and keeps how in the model; forms of shifts, splines, pixel rules
small="--recipe keras2016 --img-size 32 --epochs 1 --batch-size 8 --device cpu -q"
thimble train toys -o one $small --featurewise-std-normalization --samplewise-center >/dev/null
thimble info one/model.thimble | grep -A3 ^pixels
thimble info one/model.thimble --verify >/dev/null && echo verified
thimble predict one/model.thimble toys/validation/mugs/* >/dev/null && echo predicted
thimble train toys -o two $small --pixel-rule caffe --interpolation-order 3 --width-shift-range 4px \
    --height-shift-range 0.1,0.3 --augment-preset keras3 >/dev/null
thimble info two/model.thimble | grep -A1 ^pixels
thimble train toys -o three $small --rescale 0.5 --zca-whitening --zca-epsilon 0.1 >/dev/null
thimble info three/model.thimble | grep -A1 ^pixels
t preview toys -o grid.png --rows 1 --variants 2 --img-size 16 --width-shift-range 4 --interpolation-order 2
t preview toys -o no.png --width-shift-range 1.5px
t preview toys -o no.png --height-shift-range 0.1,x
t preview toys -o no.png --width-shift-range -1
t preview toys -o no.png --interpolation-order 4
t train toys -o no $small --rescale 2 --pixel-rule tf
t train toys -o no $small --zca-epsilon 1
t train toys -o no --img-size 64 --epochs 1 --device ref -q --zca-whitening
t train toys -o no $small --augment-preset keras2016 --width-shift-range 3px
