# features: files for NumPy, views, layers, what is refused; random weights, so that none are needed
small="--backbone mobilenet_v2 --weights random --img-size 32"
t features toys $small -o f.npy
json cat f.json
json thimble features toys $small -o g.npy --views flip,aug:2 --pooling max --part train --json
t features toys $small -o n.npy --pooling none --part validation
t features toys $small -o u.npy --until block_3_depthwise_relu
t features toys --backbone mobilenet_v2,mobilenet --weights random --img-size 32 -o m.npy
t info n.npy --tensors | sed -E 's/[0-9.e-]+ +[0-9.e-]+$/MEAN DEV/'
for j in 1 2; do thimble features toys $small -o j$j.npy -q -j $j >/dev/null; done
cmp j1.npy j2.npy && cmp j1.npy f.npy && echo same
t features toys $small -o f.npy
t features toys $small -o f.npy --force -q
t features toys -o x.npy
t features toys -o x.npy --backbone mobilenet_v2
t features toys -o x.npy --backbone mobilenet_v3 --weights random
t features toys -o x.npy --backbone mobilenet_v2,,vgg16
t features toys -o x.npy --backbone mobilenet_v2 --weights a.h5,b.h5
t features toys -o x.npy --backbone mobilenet_v2 --weights none.h5
t features toys -o x.npy --weights none.h5
t features toys $small -o x.npy --views flop
t features toys $small -o x.npy --views aug:0
t features toys $small -o x.npy --until block_3
t features toys $small -o x.npz
t features toys $small
t features $small -o x.npy
absent x.npy x.json x.npz
