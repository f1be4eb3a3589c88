# version and devices
t version | sed 's/ (.*/ (...)/'
t --version | sed 's/ (.*/ (...)/'
thimble version | grep -c 'oneDNN.*libjpeg.*libpng'
t devices | sed -E 's/^cpu  (x86-64|avx2|avx512|(avx512-bf16|amx)  faster in bf16)$/cpu/' | grep -xE 'cpu|ref'
THIMBLE_CPU=x86-64 t devices
THIMBLE_CPU=sse9 t devices
THIMBLE_CPU=sse9 t predict run/model.thimble toys/validation/mugs/mug.0.jpg
THIMBLE_CPU=x86-64 t train toys $(quick a) 2>&1 | grep -c 'threads, f32'
THIMBLE_CPU=x86-64 t train toys $(quick b) -q --precision bf16
