# real weights of MobileNetV2: the backbone is found, few photos suffice
weights=$(cd "$(dirname "$0")/../../.." && pwd)/../shared/data/weights photos=$(dirname "$weights")/hymenoptera
file=$weights/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5
[ -e "$file" ] && [ -e "$photos" ] || skip_case "the shared weights and photos are not here"
ln -s "$photos" photos
export THIMBLE_WEIGHTS=$PWD/cache
thimble weights add "$file" mobilenet_v2 --force 2>/dev/null
t train photos -o a --min-accuracy 0.9 2>&1 | sed -E 's|/[^ ]*/cache|CACHE|g; s/(penalty) [^;,]*/\1 .../; s/(features: with).*(on)/\1 ... \2/; s/head: [a-z]*/head: KIND/; s/by .* of/by ... of/'
t crossval photos -o b --img-size 160 -k 3 -q | head -n 1
