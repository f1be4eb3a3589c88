"""Draws the pictures of corpus/image_*: tiny, one for each kind of file that a decoder meets.

Made with python 3.11 and pillow 9.4.0; run it in this folder. Every picture but those named otherwise is 13 x 9 with
r = 18 x, g = 28 y, b = 255 - 18 x, alpha = 255 - 20 y, grey = 18 x; the tests know this rule (drawn.h).
"""
import io
import os
import struct
import zlib

from PIL import Image

W, H = 13, 9


def rgb(x, y):
    return (18 * x, 28 * y, 255 - 18 * x)


def picture(mode):
    out = Image.new(mode, (W, H))
    for y in range(H):
        for x in range(W):
            alpha = 255 - 20 * y
            out.putpixel((x, y), {"L": 18 * x, "LA": (18 * x, alpha), "RGB": rgb(x, y), "RGBA": rgb(x, y) + (alpha,)}[mode])
    return out


def save(folder, name, data):
    os.makedirs("corpus/" + folder, exist_ok=True)
    with open("corpus/%s/%s" % (folder, name), "wb") as f:
        f.write(data)


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


# ---- PNG, by hand: Pillow cannot write all kinds ----

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_row(samples, bits):
    if bits == 16:
        return b"".join(struct.pack(">BB", s, s ^ 0x5A) for s in samples)  # the low byte must not count
    out, value, n = bytearray(), 0, 0
    for s in samples:
        value, n = value << bits | s, n + bits
        if n == 8:
            out.append(value)
            value, n = 0, 0
    if n:
        out.append(value << (8 - n))
    return bytes(out)


def png(kind, bits, sample, extra=b"", interlaced=False):
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b""
    for x0, y0, dx, dy in passes if interlaced else [(0, 0, 1, 1)]:
        for y in range(y0, H, dy):
            row = [s for x in range(x0, W, dx) for s in sample(x, y)]
            raw += b"\0" + pack_row(row, bits) if row else b""
    head = struct.pack(">IIBBBBB", W, H, bits, kind, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")


def alpha(y):
    return 255 - 20 * y


row_colours = b"".join(bytes((18 * i, 100, 255 - 18 * i)) for i in range(W))
exif6 = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
PNG = {
    "rgb.png": png(2, 8, rgb),
    "rgba.png": png(6, 8, lambda x, y: rgb(x, y) + (alpha(y),)),
    "grey.png": png(0, 8, lambda x, y: (18 * x,)),
    "grey_alpha.png": png(4, 8, lambda x, y: (18 * x, alpha(y))),
    "rgb16.png": png(2, 16, rgb),
    "rgba16.png": png(6, 16, lambda x, y: rgb(x, y) + (alpha(y),)),
    "grey16.png": png(0, 16, lambda x, y: (18 * x,)),
    "interlaced.png": png(2, 8, rgb, interlaced=True),
    "one_bit.png": png(0, 1, lambda x, y: ((x + y) % 2,)),
    "two_bits.png": png(0, 2, lambda x, y: (x % 4,)),
    "four_bits.png": png(0, 4, lambda x, y: (x,), interlaced=True),
    "palette.png": png(3, 4, lambda x, y: (x,), chunk(b"PLTE", row_colours)),
    "palette_clear.png": png(3, 8, lambda x, y: (x,), chunk(b"PLTE", row_colours) + chunk(b"tRNS", bytes((0, 128)))),
    "rgb_key.png": png(2, 8, rgb, chunk(b"tRNS", struct.pack(">HHH", *rgb(0, 0)))),
    "exif_6.png": png(2, 8, rgb, chunk(b"eXIf", exif6)),
    "text.png": png(2, 8, rgb, chunk(b"tEXt", b"Comment\0drawn") + chunk(b"gAMA", struct.pack(">I", 100000))),
}
for name, data in PNG.items():
    save("image_png", name, data)

# ---- JPEG ----

colour = picture("RGB")
save("image_jpeg", "grey.jpg", encoded(picture("L"), "JPEG", quality=95))
save("image_jpeg", "full_chroma.jpg", encoded(colour, "JPEG", quality=95, subsampling=0))
save("image_jpeg", "half_chroma.jpg", encoded(colour, "JPEG", quality=95, subsampling=2))
save("image_jpeg", "progressive.jpg", encoded(colour, "JPEG", quality=95, subsampling=0, progressive=True))
save("image_jpeg", "cmyk.jpg", encoded(colour.convert("CMYK"), "JPEG", quality=95))
exif = Image.Exif()
exif[0x0112] = 6
save("image_jpeg", "exif_6.jpg", encoded(colour, "JPEG", quality=95, subsampling=0, exif=exif))

# ---- the rest ----

frames = [colour, picture("RGB").transpose(Image.FLIP_LEFT_RIGHT)]
indexed = Image.new("P", (W, H))
indexed.putpalette(row_colours)
indexed.putdata([x for y in range(H) for x in range(W)])
save("image_gif", "palette.gif", encoded(indexed, "GIF", interlace=0))
save("image_gif", "interlaced.gif", encoded(indexed, "GIF", interlace=1))
save("image_gif", "clear.gif", encoded(indexed, "GIF", interlace=0, transparency=2))
save("image_gif", "animated.gif", encoded(indexed, "GIF", save_all=True, append_images=[indexed.transpose(Image.ROTATE_180)]))
plain = bytearray(encoded(indexed, "GIF", interlace=0))
at = plain.index(b"\x2c", 13 + 3 * 16)  # a screen of 20 x 12, the frame at (3, 2)
plain[6:10] = struct.pack("<HH", 20, 12)
plain[at + 1:at + 5] = struct.pack("<HH", 3, 2)
save("image_gif", "placed.gif", bytes(plain))

save("image_webp", "lossless.webp", encoded(colour, "WEBP", lossless=True))
save("image_webp", "alpha.webp", encoded(picture("RGBA"), "WEBP", lossless=True, exact=True))
save("image_webp", "lossy.webp", encoded(colour, "WEBP", quality=90))
save("image_webp", "lossy_alpha.webp", encoded(picture("RGBA"), "WEBP", quality=90))
save("image_webp", "animated.webp", encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True))
save("image_webp", "exif_6.webp", encoded(colour, "WEBP", lossless=True, exif=exif))


def bmp(bits, rows, palette=b"", masks=b"", top_down=False, header=40, compression=0):
    body = b"".join(row + b"\0" * (-len(row) % 4) for row in (rows if top_down else rows[::-1]))
    offset = 14 + header + len(masks if header == 40 else b"") + len(palette)
    head = struct.pack("<IiiHHIIiiII", header, W, -H if top_down else H, 1, bits, compression, len(body), 0, 0, len(palette) // 4, 0)
    head += masks + b"\0" * (header - 40 - len(masks) if header > 40 else 0)
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + head + palette + body


bgr0 = b"".join(bytes((255 - 18 * i, 100, 18 * i, 0)) for i in range(W))
BMP = {
    "rgb24.bmp": bmp(24, [b"".join(bytes(rgb(x, y)[::-1]) for x in range(W)) for y in range(H)]),
    "top_down.bmp": bmp(24, [b"".join(bytes(rgb(x, y)[::-1]) for x in range(W)) for y in range(H)], top_down=True),
    "rgb32.bmp": bmp(32, [b"".join(bytes(rgb(x, y)[::-1]) + b"\7" for x in range(W)) for y in range(H)]),
    "palette8.bmp": bmp(8, [bytes(range(W))] * H, bgr0),
    "palette4.bmp": bmp(4, [pack_row(range(W), 4)] * H, bgr0),
    "palette1.bmp": bmp(1, [pack_row([x % 2 for x in range(W)], 1)] * H, bgr0[:8]),
    "rgb555.bmp": bmp(16, [b"".join(struct.pack("<H", x << 10 | y << 5 | 31) for x in range(W)) for y in range(H)]),
    "rgb565.bmp": bmp(16, [b"".join(struct.pack("<H", x << 11 | y << 5 | 31) for x in range(W)) for y in range(H)],
                      masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F), compression=3),
    "alpha32.bmp": bmp(32, [b"".join(bytes(rgb(x, y) + (alpha(y),)) for x in range(W)) for y in range(H)],
                       masks=struct.pack("<IIII", 0xFF, 0xFF00, 0xFF0000, 0xFF000000), header=124, compression=3),
}
for name, data in BMP.items():
    save("image_bmp", name, data)

save("image_exif", "big_endian", exif6)
save("image_exif", "little_endian", b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0")
save("image_exif", "many", b"MM\0*\0\0\0\x08\2\0" + b"\x01\x0f\0\2\0\0\0\1ABCD" * 511 + exif6[10:22])
