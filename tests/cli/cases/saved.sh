# --save-epochs, --save-best-only, --csv-log
t train toys $(quick a) -q -e 2 --save-epochs 'w/{epoch:02d}.h5' --csv-log log.csv
ls w && sed -E 's/0?\.[0-9]+/N/g' log.csv
t info w/02.h5 | head -n 1
t train toys $(quick b) -q --csv-log log.csv
t train toys $(quick b) -q --save-epochs w/02.h5
t train toys $(quick b) -q --save-epochs 'w/{val_loss:.2}.pb'
t train toys $(quick b) -q --save-epochs 'w/{val_los:.2}.h5'
t train toys $(quick b) -q --save-best-only
absent b/model.thimble
t train toys $(quick b) -q --force --monitor val_accuracy --save-epochs best.keras --save-best-only
t train toys $(quick c) -q --init-from best.keras
