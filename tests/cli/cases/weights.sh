# weights that do not fit, and files that are none: what is wrong, the likely cause, the flag that helps
ln -s "$(dirname "$0")/../golden" golden
thimble info golden/keras/legacy.h5 >/dev/null 2>&1 || skip_case "built without HDF5"
thimble export -q golden/keras/net.keras -o post.thimble
thimble export -q golden/containers/tiny.keras -o tiny.thimble
take() { t export "$1" -o "$2" --init-from "${@:3}"; }

# one net, its kernels turned or not, its axes in either order
take post.thimble a.npz golden/keras/legacy.h5
take post.thimble b.npz golden/keras/theano.h5
take post.thimble c.npz golden/keras/first.h5
cmp a.npz b.npz && cmp a.npz c.npz
take post.thimble d.npz golden/keras/theano.h5 --flip no
cmp -s a.npz d.npz || echo 'not turned: another net'

# transposed kernels, a classifier on top, other counts, other names, other rows
take post.thimble x.npz golden/keras/first.h5 --kernel-order hwio
take tiny.thimble x.npz golden/keras/legacy.h5
take tiny.thimble x.npz golden/keras/legacy.h5 --prefix
take post.thimble x.npz golden/containers/shards.weights.json
take post.thimble x.npz golden/keras/nested.h5
take tiny.thimble x.npz golden/keras/legacy.h5 --by-name
take post.thimble x.npz golden/containers/net.safetensors
take run/model.thimble x.npz golden/keras/net.weights.h5
t export run/model.thimble -o w.h5
t train toys $(quick run48) --img-size 48 -q --init-from w.h5

printf '<!DOCTYPE html><html>not found</html>' >page
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n' >pointer
for kind in h5 keras npz npy safetensors weights.json; do
    for what in page pointer; do
        cp $what $what.$kind
        t info $what.$kind
    done
done
cp golden/containers/all.npz zip.h5
t info zip.h5
cp w.h5 w.npz
t info w.npz
for file in keras/legacy.h5 keras/net.keras containers/all.npz containers/v1.npy containers/all.safetensors; do
    head -c 120 golden/$file >cut.${file##*.}
    t info cut.${file##*.}
done
head -c 5000 golden/keras/legacy.h5 >cut.h5
t info cut.h5
mkfifo pipe.safetensors
t info pipe.safetensors
t info none.npz
absent x.npz run48
