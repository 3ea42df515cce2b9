"""Deflates contents of all kinds at all levels, as archives have it.

    zlib.py SEED

Each content is a line of JSON on the standard output, and behind it the content and what each level makes of it.
"""
import json, random, sys, zlib

dice = random.Random(int(sys.argv[1]))
WORDS = [f"com/example/{''.join(dice.choices('abcdefghij', k=dice.randrange(2, 9)))}" for _ in range(600)]


def prose(length):
    return " ".join(dice.choices(WORDS, k=length // 12 + 1)).encode()[:length]


def code(length):
    parts = []
    while sum(map(len, parts[-1:])) + 40 * len(parts) < length:
        parts.append(b"\x01\x00\x10L" + dice.choice(WORDS).encode() + dice.randbytes(6))
    return b"".join(parts)[:length]


def far(length):
    "The same again, as far away as the window reaches, and a little farther."
    part = dice.randbytes(dice.choice([32768 - 300, 32768 - 262, 32768 - 1, 32768, 32768 + 1]))
    return (part * (length // len(part) + 1))[:length]


def near(length):
    "Runs, and what repeats after a few bytes: the longest matches there are, and the shortest."
    made = bytearray()
    while len(made) < length:
        made += dice.randbytes(dice.randrange(1, 5)) * dice.choice([1, 2, 3, 86, 129, 258, 259, 3000])
    return bytes(made[:length])


def mixed(length):
    made = b""
    while len(made) < length:
        made += dice.choice(KINDS[:-1])(min(length, dice.randrange(1, 40000)))
    return made[:length]


def edited(length):
    "What is the same but for a byte here and there."
    part = bytearray(dice.randbytes(2000))
    made = bytearray()
    while len(made) < length:
        part[dice.randrange(2000)] = dice.randrange(256)
        made += part
    return bytes(made[:length])


def few(length):
    return bytes(dice.choices(b"ACGT", k=length))


KINDS = [prose, code, far, near, edited, few, dice.randbytes, bytes, mixed]
# Around what zlib counts in: the longest match, stored blocks, its window, and the symbols of a block.
EDGES = [0, 1, 2, 3, 4, 5, 257, 258, 259, 4095, 16383, 16384, 32506, 32767, 32768, 32769, 65535, 65536, 65537, 131072]
SIZES = EDGES + [dice.randrange(6, 40000) for _ in range(5)] + [dice.randrange(1 << 17, 1 << 18)]
LARGE = {prose: (5 << 20) // 2, mixed: 4 << 20}

for kind in KINDS:
    for size in SIZES + [LARGE[kind]] if kind in LARGE else SIZES:
        raw = kind(size)
        made = []
        for level in range(1, 10):
            packer = zlib.compressobj(level, zlib.DEFLATED, -15, 8)
            made.append(packer.compress(raw) + packer.flush())
        head = {"kind": getattr(kind, "__name__", "noise"), "version": zlib.ZLIB_RUNTIME_VERSION, "length": len(raw), "made": list(map(len, made))}
        sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + raw + b"".join(made))
