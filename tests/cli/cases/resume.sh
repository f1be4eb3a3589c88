# --resume: further epochs, other options, other data; rows 114 to 116, 127 and 128
t train toys $(quick a) -q
t train --resume -o a -e 2 -j 1
wc -l <a/metrics.jsonl
thimble train toys $(quick b) -q -e 2 >/dev/null
cmp a/model.thimble b/model.thimble && echo same
t train toys $(quick a)
t train toys -o a --resume --batch-size 4
t train --resume -o a --lr 0.5 -q
t train --resume -o a --recipe best -q
cp -rL toys less && rm less/train/mugs/mug.1.jpg
t train less -o a --resume -q
t train toys -o none --resume
t train toys $(quick a) --force -q
absent none
t train toys -o c --img-size 32 -e 1 -q
t train --resume -o c -e 2 -q
printf x | dd of=c/checkpoint.thimble bs=1 seek=5000 conv=notrunc status=none
t train --resume -o c -q 2>&1 | grep -v detail
echo '{' >c/run.json
t train --resume -o c -q
t train --resume
touch a/.thimble-1-1.tmp && t train --resume -o a -q 
absent a/.thimble-1-1.tmp
