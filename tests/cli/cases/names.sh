# row 16: names with a newline, an escape sequence, no UTF-8, quotes and spaces
mkdir -p 'data/a "mug", or two' data/teapots
class='data/a "mug", or two'
n=0
for name in $'a\nb' $'a\e[31mb' $'a\xffb' 'a"q,b' '-dash' 'a b' $'\xc3\xa9'; do
    cp toys/train/mugs/mug.$n.jpg "$class/$name.jpg"
    n=$((n + 1))
done
cp toys/train/teapots/* data/teapots
echo junk >"$class/"$'bad\e[31mb.jpg'
t train data $(quick x) --bad-limit 0.5
grep -c , x/split.csv
json thimble info x/model.thimble --json | grep -o '"classes": [^]]*'
t predict x/model.thimble "$class" | sed 's/  .*//'
json thimble predict x/model.thimble "$class" --json | sed 's/, "\(pred\|err\).*//'
t predict x/model.thimble "$class" --csv | sed -E 's/,1,[^,]*,[^,]*,$/ .../'
t train $'nowhere\e[31m' -o y
absent y
