# every way to name photos and to have the answers
mugs=toys/validation/mugs
t predict run/model.thimble $mugs/mug.1.jpg toys/validation/teapots/teapot.0.jpg $mugs/mug.0.jpg
t predict run/model.thimble toys/validation --top-k 2
t predict run/model.thimble $mugs/mug.1.jpg --top-k 5 -q
printf '%s\r\n\n%s' $mugs/mug.1.jpg $mugs/mug.0.jpg >list
t predict run/model.thimble --files-from list
t predict run/model.thimble --files-from - <list
t predict run/model.thimble --files-from nolist
cat $mugs/mug.1.jpg | t predict run/model.thimble -
cat $mugs/mug.1.jpg | thimble predict run/model.thimble $mugs/mug.1.jpg - | awk '{print $3}' | uniq | wc -l
t predict run/model.thimble $mugs/mug.0.jpg --csv --top-k 2
json thimble predict run/model.thimble $mugs --json --top-k 2
mkdir none && t predict run/model.thimble none
t predict run/model.thimble $mugs --device ref
t predict run/model.thimble $mugs --device gpu 2>&1 | grep -v detail
for j in 1 3; do thimble predict run/model.thimble toys/train --csv -j $j -b $j >by$j; done
cmp by1 by3 && wc -l <by1
