# weights that do not fit, and files that are none: what is wrong, the likely cause, the flag that helps
ln -s "$(dirname "$0")/../golden" golden
thimble info golden/keras/legacy.h5 >/dev/null 2>&1 || skip_case "built without HDF5"
take() { t export run/model.thimble -o x.npz --init-from "$@"; }

take golden/keras/legacy.h5
take golden/keras/first.h5
take golden/keras/first.h5 --kernel-order hwio
take golden/keras/net.weights.h5
take golden/keras/nested.h5
take golden/keras/nested.weights.h5
take golden/keras/nested.h5 --by-name
take golden/containers/net.safetensors
take golden/containers/shards.weights.json
take golden/containers/shards.weights.json --by-name
t export run/model.thimble -o w.h5
t train toys $(quick run48) --img-size 48 -q --init-from w.h5

mkdir bad
printf '<!DOCTYPE html><html>not found</html>' >bad/page
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n' >bad/pointer
for kind in h5 keras npz npy safetensors weights.json; do
    for what in page pointer; do
        cp bad/$what $what.$kind
        t info $what.$kind
    done
done
cp golden/containers/all.npz zip.h5
t info zip.h5
cp w.h5 w.npz
t info w.npz
for file in keras/legacy.h5 keras/net.keras containers/all.npz containers/v1.npy containers/all.safetensors; do
    head -c 1000 golden/$file | head -c 120 >cut.${file##*.}
    t info cut.${file##*.}
done
head -c 5000 golden/keras/legacy.h5 >cut.h5
t info cut.h5
mkfifo pipe.safetensors
t info pipe.safetensors
t info none.npz
absent x.npz run48
