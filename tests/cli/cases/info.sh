# info in text and JSON; --verify
t info run/model.thimble | sed 's/"val_accuracy".*//'
json thimble info run/model.thimble --json | head -n 4 | sed 's/"record.*//'
t info --verify run/model.thimble | sed 's/difference .*/difference .../'
