# evaluate: layouts, parts, tables, gates; row 97
t evaluate run/model.thimble toys --part validation | sed -E 's/[0-9.]+/N/g; s/ \[.*\]/ [..]/g; s/ +/ /g'
json thimble evaluate run/model.thimble toys --json | grep -o '"n": [0-9]*'
t evaluate run/model.thimble toys --part test
t evaluate run/model.thimble toys/validation --min-accuracy 1 | tail -n 1
t evaluate run/model.thimble toys/validation --min-accuracy 0 --predictions p.csv | tail -n 1
sed 's/,[^,]*,[^,]*,[^,]*$//' p.csv
t evaluate run/model.thimble toys/validation --predictions p.csv
t evaluate run/model.thimble toys/validation --predictions p.csv --force | tail -n 1
mkdir -p other/cups other/jugs && cp toys/train/mugs/* other/cups && cp toys/train/mugs/* other/jugs
t evaluate run/model.thimble other
mkdir half && cp -r toys/train/mugs half
t evaluate run/model.thimble half | grep teapots | sed 's/0\.[0-9]*/N/g'
printf 'file_name,label\ntoys/train/mugs/mug.0.jpg,mugs\ntoys/train/teapots/teapot.0.jpg,teapots\n' >t.csv
t evaluate run/model.thimble t.csv | head -n 1
json thimble evaluate run/model.thimble toys --json | grep -oE '"(auc|auc_pr|top5|f1|tp|fp|fn|tn)":' | sort | uniq -c
for i in 0 1 2 3 4 5; do
    mkdir -p six/train/class$i six/validation/class$i
    cp toys/train/mugs/mug.$i.jpg six/train/class$i && cp toys/train/teapots/teapot.$i.jpg six/validation/class$i
done
t train six $(quick s) -q
t evaluate s/model.thimble six --part validation | sed -E 's/[0-9]\.[0-9]+/N/g; s/ \[.*\]/ [..]/g; s/ +/ /g' | head -n 6
json thimble evaluate s/model.thimble six --json | grep -oE '"(auc|top5)":'
