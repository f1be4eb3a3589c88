# train on a pre-trained network: heads, fine-tuning, what a model of it is good for; random weights
small="--backbone mobilenet_v2 --weights random --img-size 32"
head="--head ridge --penalty 1"
t train toys -o a --method features $small $head
ls a
sed -E 's/(: )[0-9.e-]+/\1N/g' a/metrics.jsonl
sed "s|$(realpath toys)|TOYS|" a/run.json
t evaluate a/model.thimble toys | head -n 1
t predict a/model.thimble toys/validation/mugs/mug.0.jpg
t info a/model.thimble --verify -q | tail -n 1
t export a/model.thimble -o a.keras
t evaluate a.keras toys -q | head -n 1
t train --resume -o a
t train toys -o b --method features $small --head post -e 2 -b 8 -q
json thimble train toys -o c --method features $small --head logistic --views flip,aug:1 -q --json | sed -E 's/[0-9]+\.[0-9e-]+/N/g'
t train toys -o d $small $head
t train toys -o e --method finetune $small $head -e 2
cp e/model.thimble ended
t train --resume -o e -q && cmp ended e/model.thimble && echo same
json thimble predict e/model.thimble toys/validation/mugs/mug.0.jpg --json | grep -o '"unknown": [a-z]*'
# weights below the freeze point have the bits they had
for m in a e; do thimble info $m/model.thimble --tensors; done | sort | uniq -u | grep -o 'weight/[^ ]*' | sort -u
t train toys -o f --method finetune $small $head -e 2 -q --unfreeze-from block_15_expand --dropout 0.5 --l1 1e-5 --l2 1e-4 \
    --rotation-range 20 --kept-views 1 --kept-memory 4K --kept-file
t train toys -o g --init-from e/model.thimble --unfreeze-from Conv_1 -e 1 --recompute
t train toys -o h --method finetune $small --untrained-head -e 1
echo 'the recipe of 2016; stopped after an epoch and resumed, it ends with the same bits'
post="--recipe keras2016 --method finetune --backbone mobilenet_v2 --weights random --img-size 32"
t train toys -o i $post -e 2 -q
t train toys -o j $post -e 1 -q
t train --resume -o j -e 2 -q
cmp i/model.thimble j/model.thimble && echo same
t train toys -o k --recipe keras2016 --method features --weights random --backbone mobilenet_v2 --img-size 32 -q
for j in 1 2; do thimble train toys -o j$j --method finetune $small $head -e 2 -q -j $j >/dev/null; done
cmp j1/model.thimble j2/model.thimble && cmp j1/model.thimble e/model.thimble && echo same
t train toys -o x -e 1 --img-size 32 -b 8
echo refused
t train toys -o y --method features
t train toys -o y --method scratch $small
t train toys -o y --method features $small --kept-views 2
t train toys -o y --method features $small --lr 0.1
t train toys -o y --method features $small --color-mode grayscale
t train toys -o y --method features $small --head post --penalty 1
t train toys -o y --method features --init-from a/model.thimble
t train toys -o y --method finetune --backbone mobilenet_v2,mobilenet --weights random
t train toys -o y $small --unfreeze-from block_16
t train toys -o y --method finetune --init-from a/checkpoint.thimble
cp -r toys/ other && mv other/train/mugs other/train/cups && mv other/validation/mugs other/validation/cups
t train other -o y --method finetune --init-from a/model.thimble
absent y
