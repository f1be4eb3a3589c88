# a photo of neither class: what predict says of it in each form; real weights of MobileNetV2
shared=$(cd "$(dirname "$0")/../../.." && pwd)/../shared/data
file=$shared/weights/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5
cat=$shared/cats-dogs/validation/cats/cat.1189.jpg photos=$shared/hymenoptera
[ -e "$file" ] && [ -e "$photos" ] && [ -e "$cat" ] || skip_case "the shared weights and photos are not here"
ln -s "$file" mine.h5 && ln -s "$photos" photos && ln -s "$cat" cat.jpg
export THIMBLE_WEIGHTS=$PWD/cache
t weights add mine.h5 mobilenet_v2
t weights add mine.h5 mobilenet_v2 --force
t train photos -o a --method features --img-size 160 -q 2>/dev/null | tail -n 1

two="cat.jpg photos/train/ants/154124431_65460430f2.jpg"
t predict a/model.thimble $two | sed -E 's/[01]\.[0-9]{4}/P/'
json thimble predict a/model.thimble $two --json | sed -E 's/(probability|distance)(": )[0-9.e-]+/\1\2N/g'
t predict a/model.thimble $two --csv | tee answer | sed -E 's/[01]\.[0-9]{6}/N/g'
awk -F, '/jpg/ {print $1 ($6 > 1 ? " is" : " is not") " further than 1"}' answer
# the limit holds for photos of the classes: few of those it has not seen are beyond
[ "$(thimble predict a/model.thimble photos/val -q | grep -c unknown)" -le 2 ] && echo 'its own kind is known'
# what was trained from nothing has no such limit
thimble predict run/model.thimble cat.jpg --csv | head -n 1
