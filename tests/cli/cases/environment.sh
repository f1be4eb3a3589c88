# every option has a name in the environment; the command line wins
THIMBLE_EPOCHS=abc t train toys -o x
THIMBLE_QUIET=1 THIMBLE_EPOCHS=2 t train toys -o a --recipe keras2016 --img-size 32 -b 8
wc -l <a/metrics.jsonl
THIMBLE_QUIET=1 THIMBLE_EPOCHS=2 t train toys $(quick b)
wc -l <b/metrics.jsonl
THIMBLE_QUIET=0 t evaluate run/model.thimble toys --part validation | head -n 1
THIMBLE_TOP_K=2 t predict run/model.thimble toys/validation/mugs/mug.0.jpg
