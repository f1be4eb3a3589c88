# export: from each container to each other, what is loaded on the way, and what is refused
ln -s "$(dirname "$0")/../golden" golden
thimble info golden/keras/legacy.h5 >/dev/null 2>&1 || skip_case "built without HDF5"
numbers() { thimble info -q "$1" | sed '1d;$d' | sort; }

t export run/model.thimble -o a.npz
t export run/model.thimble -o a.safetensors
t export run/model.thimble -o a.h5
t export a.safetensors -o b.npz
cmp <(numbers a.npz) <(numbers a.safetensors) && cmp <(numbers a.npz) <(numbers b.npz)
t export run/model.thimble --init-from a.h5 -o c.npz
cmp a.npz c.npz
t export run/model.thimble --init-from a.safetensors -o d.thimble --classes cups,pots
t export d.thimble -o d.npz
cmp a.npz d.npz
t info d.thimble | grep cups
t info d.thimble --tensors | sed -E 's/(float32|uint8).*//'

# to Keras and back: the same weights, classes and preprocessing
for kind in keras weights.h5 h5; do
    t export d.thimble -o k.$kind --force
    t export d.thimble --init-from k.$kind -q -o k.npz --force
    cmp a.npz k.npz
done
t export d.thimble -o k.weights.json --shard-size 80K
ls k_0*
t export d.thimble --init-from k.weights.json -q -o k.npz --force
cmp a.npz k.npz
t export d.thimble -o w.h5 --whole --rescaling
for file in k.keras w.h5; do
    t export $file -q -o again.thimble --force
    t info again.thimble | sed -n '2,8p;/^classes/p'
done
t export d.thimble -o x.npz --rescaling
t export golden/optimizer_state/adam.keras -o o.keras --optimizer -q
t export o.keras -o o.weights.h5 --optimizer -q
t info o.weights.h5
t export d.thimble -o x.keras --optimizer
t export d.thimble -o x.thimble --whole

t export golden/keras/legacy.h5 -o e.safetensors
t info e.safetensors | cut -c 1-96
t export golden/containers/shards.weights.json -o f.npz
t export golden/containers/net.safetensors -o g.npz -q
json thimble info golden/containers/net.safetensors --json

t export
t export a.npz
t export a.npz -o b.npz
t export a.npz -o b.npz --force
t export a.npz -o x.txt
t export a.npz -o x.h5
t export golden/keras/legacy.h5 -o x.npz --flip yes
t export run/model.thimble -o x.npz --init-from a.npz --by-name
t export run/model.thimble -o x.npz --flip maybe
t export run/model.thimble -o x.thimble --classes a,,b
t export run/model.thimble -o x.thimble --classes a,b,c
absent x.npz x.txt x.h5 x.thimble
