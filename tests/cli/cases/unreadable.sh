# rows 11 and 108: folders without permission; what was not begun leaves no folder behind
[ "$(id -u)" -ne 0 ] || setpriv --bounding-set=-dac_override true 2>/dev/null || skip_case "cannot drop rights"
cp -rL toys mine && chmod 000 mine/train/mugs
limited train mine -o x
chmod 755 mine/train/mugs
mkdir closed && chmod 555 closed
limited train mine -o closed/x
limited sample closed/toys
limited preview mine -o closed/x.png
limited evaluate run/model.thimble mine --predictions closed/x.csv | tail -n 1
absent x
