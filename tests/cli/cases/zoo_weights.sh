# official weights: the table, files that are here, what is refused; nothing is downloaded
export THIMBLE_WEIGHTS=$PWD/cache
t weights list
json thimble weights list --json | head -n 2
t weights path
t weights path vgg16
t weights path vgg17
t weights get vgg16 --offline
t weights get vgg16 --url ftp://mirror
t weights get vgg16 --url http://127.0.0.1:1 2>&1 | sed 's/: [^:]*port 1.*/: .../'
absent cache/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5
t weights
t weights get
t weights add
t weights add none.h5 vgg16
echo '<html><body>Sign in</body></html>' >vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5
t weights add vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5
cp vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 page.html
t weights add page.html
t weights add page.html imagenet-classes --force
{
    printf '{'
    for i in $(seq 0 999); do printf '%s"%d": ["n%08d", "thing"]' "${comma:-}" "$i" "$i"; comma=,; done
    printf '}'
} >classes.json
t weights add classes.json imagenet-classes
t weights add classes.json imagenet-classes --force
t weights path imagenet-classes
(cd cache && sha256sum -c imagenet_class_index.json.sha256)
ls cache
