"""Makes archives in bulk, and the next version of each, as several writers write them.

    bulk.py SEED FIRST LAST WEIGHT PLACE

Case NUMBER of a seed is always the same pair, whatever was made before it. WEIGHT is `all`, or `light`: without content
of more than 64 KiB. PLACE is a directory for what Info-ZIP packs. Each case is a line of JSON on the standard output, and
behind it the bytes of both archives.

    zipfile   Python's, with its options: to a pipe, wide, behind a script, methods, levels, comments
    hand      header by header: descriptors of all forms, gaps, ZIP64, another order, what zlib would not have made
    infozip   Info-ZIP's `zip`, with its options
    jar       the `jar` of this Java (`Jar.java` in PLACE), with its options: made, and made anew or brought up to date
"""
import io, json, os, random, shutil, struct, subprocess, sys, warnings, zipfile, zlib

WORDS = "class void public static final import com.example shop.cart; return null this value order item price {} \n".split(" ")
METHODS = {"stored": 0, "deflated": 8, "bzip2": 12, "lzma": 14}
weight = "all"


class Item:
    "An entry: a name, and bytes or, in `inner`, an archive of its own (a style and its items)."

    def __init__(self, name, content=b"", inner=None, method="deflated", level=6):
        self.name, self.content, self.inner, self.method, self.level = name, content, inner, method, level

    def copy(self):
        inner = self.inner and (dict(self.inner[0]), [item.copy() for item in self.inner[1]])
        return Item(self.name, self.content, inner, self.method, self.level)

    def bytes(self, stamp):
        return write(*self.inner, stamp) if self.inner else self.content


def prose(dice, length):
    text = " ".join(dice.choices(WORDS, k=length // 5 + 1)).encode()
    return text[:length]


def code(dice, length):
    "What a compiler makes: names that repeat, and numbers that do not."
    parts = [b"\xca\xfe\xba\xbe\x00\x00\x00\x3d"]
    while sum(map(len, parts)) < length:
        parts.append(b"\x01\x00\x10Lcom/example/" + dice.choice(WORDS).encode() + dice.randbytes(6))
    return b"".join(parts)[:length]


def content(dice):
    draw = dice.randrange(100)
    if draw < 10:
        return b""
    if draw < 45:
        return prose(dice, dice.randrange(1, 3000))
    if draw < 75:
        return code(dice, dice.randrange(1, 5000))
    if draw < 85:
        return dice.randbytes(dice.randrange(1, 6000))
    return bytes([draw]) * dice.randrange(1, 4000)


def large(dice):
    "Content that is cut by itself, or is one long piece: mostly tens of kilobytes, seldom many megabytes."
    draw = dice.randrange(1000)
    length = dice.randrange(64 << 10, 300 << 10)
    if draw < 150:
        length = dice.randrange(1 << 20, 3 << 20)
    if draw < 8:
        # Longer than is read at a time; and one that has too many bytes to be deflated again.
        length = dice.choice([9 << 20, 12 << 20, (32 << 20) + 77])
    return dice.randbytes(length) if dice.random() < 0.5 else prose(dice, 4096) * (length // 4096) + dice.randbytes(length // 30)


def items_of(dice, depth):
    count = dice.choice([0, 1, 2, 3, 5, 8, 13, 20, 34] if depth == 0 else [1, 3, 6, 10])
    if weight == "all" and depth == 0 and dice.random() < 0.03:
        count = 300
    items = []
    for number in range(count):
        folder = dice.choice(["", "META-INF/", "WEB-INF/classes/com/example/", "größe/"])
        method = dice.choices(["deflated", "stored", "bzip2", "lzma"], [80, 16, 2, 2])[0]
        level = dice.choices([6, 1, 9, 3], [70, 10, 10, 10])[0]
        items.append(Item(f"{folder}Part{number}.class", content(dice), None, method, level))
    if items and dice.random() < 0.3:
        items.append(Item("copy of it", items[0].content))
    if dice.random() < 0.2:
        items.append(Item("WEB-INF/", b"", None, "stored"))
    if weight == "all" and dice.random() < 0.15:
        items.append(Item("static/large.bin", large(dice), None, dice.choice(["stored", "deflated"])))
    # Stored to depth three and one more, deflated at any.
    while depth < 4 and dice.random() < 0.3:
        style = style_of(dice, depth + 1)
        name = f"WEB-INF/lib/{dice.choice(['core', 'web', 'api'])}-{dice.randrange(9)}.{dice.randrange(9)}.jar"
        inner = (style, items_of(dice, depth + 1))
        items.append(Item(name, b"", inner, dice.choices(["stored", "deflated"], [70, 30])[0]))
        if dice.random() < 0.6:
            break
    return items


def style_of(dice, depth=0):
    "How an archive is written: the same for both versions, mostly."
    chance = lambda percent: dice.randrange(100) < percent
    writer = dice.choices(["zipfile", "hand", "infozip", "jar"], [42, 42, 8 if depth == 0 else 0, 8])[0]
    comment = dice.randbytes(dice.choice([1, 30, 300, 65535 - 22])) if chance(10) else b""
    if chance(3):
        comment += b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x10\0\0\0\0\0\0\0\0\0"
    before = dice.choice([b"#!/bin/sh\nexec java -jar $0\n", dice.randbytes(300), dice.randbytes(5000)]) if chance(8) else b""
    return {
        "writer": writer, "seed": dice.randrange(1 << 32), "comment": comment, "before": before,
        "late": chance(50), "pipe": chance(15), "wide": chance(12), "twice": chance(4), "order": dice.choice(["same"] * 6 + ["reversed", "shuffled"]),
        "gaps": chance(8), "signatures": dice.choice([0] * 12 + [100, 257, 4096]), "behind": dice.choice([0] * 15 + [9, 400]),
        "wide end": chance(10), "extended": chance(10), "extra": chance(25), "descriptors": chance(25),
        "options": dice.choice([["-0"], ["-1"], ["-6"], ["-9"], ["-X"], ["-D"], ["-fd"], ["-fz"], ["-Z", "bzip2"], ["-n", ".class"]]),
        "piped": chance(25), "jar options": dice.choice([[], [], ["--no-manifest"], ["--no-compress"]]), "up to date": chance(30),
    }


def evolve(dice, items):
    "The next release: some entries are edited, some are new, some are gone, some have another name."
    items = [item.copy() for item in items]
    for item in items:
        if item.inner:
            if dice.random() < 0.7:
                style, inner = item.inner
                item.inner = (style, evolve(dice, inner))
            if dice.random() < 0.4:
                head = item.name.rsplit("-", 1)[0]
                item.name = f"{head}-{dice.randrange(9)}.{dice.randrange(9)}.{dice.randrange(99)}.jar"
        elif item.content and dice.random() < 0.2:
            at = dice.randrange(len(item.content))
            item.content = item.content[:at] + dice.choice([b"edit", prose(dice, 40), b""]) + item.content[at + dice.randrange(9):]
    if items and dice.random() < 0.4:
        items.pop(dice.randrange(len(items)))
    if dice.random() < 0.4:
        items.insert(dice.randrange(len(items) + 1), Item(f"New{dice.randrange(1000)}.class", content(dice)))
    if dice.random() < 0.15:
        dice.shuffle(items)
    if items and dice.random() < 0.05:
        chosen = dice.choice(items)
        chosen.method = "stored" if chosen.method == "deflated" else "deflated"
    return items


def doubled(style, items):
    return items + items[: 1 + len(items) // 3] if style["twice"] else items


def entries(style, items):
    "How many entries there are; nothing of what is made of a directory, which has some for directories."
    return None if style["writer"] in ("infozip", "jar") else len(doubled(style, items))


def write(style, items, stamp):
    items = doubled(style, items)
    return {"zipfile": by_zipfile, "hand": by_hand, "infozip": by_infozip, "jar": by_jar}[style["writer"]](style, items, stamp)


class Pipe(io.RawIOBase):
    "Nothing goes back in it: lengths come behind the data."

    def __init__(self, file):
        self.file = file

    def writable(self):
        return True

    def write(self, data):
        return self.file.write(data)


def by_zipfile(style, items, stamp):
    buffer = io.BytesIO()
    buffer.write(style["before"])
    mode = "a" if style["before"] and not style["pipe"] else "w"
    with zipfile.ZipFile(Pipe(buffer) if style["pipe"] else buffer, mode) as archive:
        archive.comment = style["comment"]
        for item in items:
            info = zipfile.ZipInfo(item.name, (2026, 11, 1 + stamp % 28, stamp // 28 % 24, 0, 2 * (stamp % 30)))
            info.compress_type, info.external_attr = METHODS[item.method], 0o644 << 16
            if style["extra"]:
                info.extra = struct.pack("<HHI", 0xCAFE, 4, stamp)
            if style["wide"]:
                info._compresslevel = item.level
                with archive.open(info, "w", force_zip64=True) as entry:
                    entry.write(item.bytes(stamp))
            else:
                archive.writestr(info, item.bytes(stamp), METHODS[item.method], item.level)
    return buffer.getvalue()


def deflated(dice, raw, level):
    "As zlib does it by default; and now and then as nobody will do it again."
    draw = dice.randrange(100)
    if draw < 92:
        packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    elif draw < 96:
        packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9, dice.choice([zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_FIXED]))
    else:
        packer = zlib.compressobj(level, zlib.DEFLATED, -15)
        half = len(raw) // 2
        return packer.compress(raw[:half]) + packer.flush(zlib.Z_FULL_FLUSH) + packer.compress(raw[half:]) + packer.flush()
    return packer.compress(raw) + packer.flush()


def by_hand(style, items, stamp):
    "Every form that can be written; what a name gets, it gets in each version."
    out = io.BytesIO()
    out.write(style["before"])
    shift = len(style["before"]) if style["late"] else 0
    records = []
    for item in items:
        dice = random.Random(f"{style['seed']}/{item.name}")
        raw = item.bytes(stamp)
        method, flags = METHODS[item.method], 0x800
        data = raw
        if item.method == "deflated":
            data = deflated(dice, raw, item.level)
        elif method > 8:
            # Of no kind that anybody knows.
            method, flags, data = 99, 0x801, dice.randbytes(min(len(raw), 2000))
        form = dice.choice(["signed", "signed", "bare", "signed wide", "bare wide", "missing"]) if style["descriptors"] else ""
        wide = style["wide"] and dice.random() < 0.7
        crc, name = zlib.crc32(raw), item.name.encode()
        if style["gaps"] and dice.random() < 0.4:
            out.write(dice.randbytes(dice.choice([1, 30, 256, 257, 3000])))
        at = out.tell() - shift
        flags |= 8 if form else 0
        known = dice.choice([(0, 0, 0), (crc, len(data), len(raw))]) if form else (crc, len(data), len(raw))
        local_extra = struct.pack("<HHBI", 0x5455, 5, 1, 1_790_000_000 + stamp) if style["extra"] else b""
        if wide:
            known = (known[0], 0xFFFFFFFF, 0xFFFFFFFF)
            local_extra += struct.pack("<HHQQ", 1, 16, *((0, 0) if form else (len(raw), len(data))))
        time = struct.pack("<I", 0x5D770842 + 3 * stamp)
        fixed = lambda crc, packed, size: struct.pack("<HHH", 20, flags, method) + time + struct.pack("<III", crc, packed, size)
        out.write(b"PK\x03\x04" + fixed(*known) + struct.pack("<HH", len(name), len(local_extra)) + name + local_extra + data)
        out.write({
            "signed": b"PK\x07\x08" + struct.pack("<III", crc, len(data), len(raw)),
            "bare": struct.pack("<III", crc, len(data), len(raw)),
            "signed wide": b"PK\x07\x08" + struct.pack("<IQQ", crc, len(data), len(raw)),
            "bare wide": struct.pack("<IQQ", crc, len(data), len(raw)),
        }.get(form, b""))
        left = [dice.random() < 0.6 for _ in range(3)] if wide else [False] * 3
        values = [len(raw), len(data), at]
        shown = [0xFFFFFFFF if is_left else value for is_left, value in zip(left, values)]
        extra = local_extra[:9] if style["extra"] else b""
        if any(left):
            body = b"".join(struct.pack("<Q", value) for is_left, value in zip(left, values) if is_left)
            extra += struct.pack("<HH", 1, len(body)) + body
        comment = b"of " + name if style["extra"] and dice.random() < 0.3 else b""
        records.append(
            b"PK\x01\x02" + struct.pack("<H", 0x031E) + fixed(crc, shown[1], shown[0])
            + struct.pack("<HHHHHII", len(name), len(extra), len(comment), 0, 0, 0o644 << 16, shown[2]) + name + extra + comment
        )
    if style["order"] == "reversed":
        records.reverse()
    elif style["order"] == "shuffled":
        random.Random(style["seed"]).shuffle(records)
    blob = random.Random(style["seed"] + stamp)
    out.write(blob.randbytes(style["signatures"]))
    directory, at = b"".join(records), out.tell() - shift
    # With something between it and the end, it is found only where it is said to be.
    behind = 0 if shift else style["behind"]
    out.write(directory + blob.randbytes(behind))
    counts = struct.pack("<HH", len(records), len(records))
    place = struct.pack("<II", len(directory), at)
    if style["wide end"]:
        more = blob.randbytes(blob.choice([4, 900, 70000])) if style["extended"] and not shift else b""
        where = out.tell() - shift
        out.write(b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44 + len(more), 45, 45, 0, 0, len(records), len(records), len(directory), at) + more)
        out.write(b"PK\x06\x07" + struct.pack("<IQI", 0, where, 1))
        place = b"\xff" * 8 if blob.random() < 0.5 else struct.pack("<I", len(directory)) + b"\xff" * 4
    out.write(b"PK\x05\x06\0\0\0\0" + counts + place + struct.pack("<H", len(style["comment"])) + style["comment"])
    return out.getvalue()


def spread(items, stamp):
    "Writes them as files, all with one time; gives the directory, and where an archive may be made."
    contents = [(item.name, b"" if item.name.endswith("/") else item.bytes(stamp)) for item in items]
    top, to = os.path.join(sys.argv[5], "tree"), os.path.join(sys.argv[5], "made.zip")
    shutil.rmtree(top, ignore_errors=True)
    if os.path.exists(to):
        os.remove(to)
    os.makedirs(top)
    if all(name.endswith("/") for name, _ in contents):
        # Info-ZIP makes no archive without a file.
        contents.append(("nothing", b""))
    for name, content in contents:
        path = os.path.join(top, name)
        os.makedirs(path if name.endswith("/") else os.path.dirname(path), exist_ok=True)
        if not name.endswith("/"):
            with open(path, "wb") as file:
                file.write(content)
    # Read in the year 2033, so that reading does not change it.
    times = (2_000_000_000, 1_790_000_000 + 60 * stamp)
    for place, _, files in os.walk(top, topdown=False):
        for name in files:
            os.utime(os.path.join(place, name), times)
        os.utime(place, times)
    return top, to


def taken(path):
    with open(path, "rb") as file:
        return file.read()


PLAIN = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def by_infozip(style, items, stamp):
    top, to = spread(items, stamp)
    # Its bzip2 takes minutes for what repeats by the megabyte.
    options = ["-6"] if "bzip2" in style["options"] and any(len(item.content) > 1 << 20 for item in items) else style["options"]
    ran = subprocess.run(
        ["zip", "-q", "-r", *options, "-" if style["piped"] else to, "."],
        cwd=top, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, env=PLAIN,
    )
    return ran.stdout if style["piped"] else taken(to)


java = None


def jar(*words):
    "One Java for all: it takes as long to start as to make a hundred archives."
    global java
    if java is None:
        words_of_java = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", os.path.join(sys.argv[5], "Jar.java")]
        java = subprocess.Popen(words_of_java, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=PLAIN, text=True, encoding="utf-8")
    java.stdin.write("\t".join(words) + "\n")
    java.stdin.flush()
    answer = java.stdout.readline()
    assert answer == "0\n", f"jar {words} has ended with {answer!r}"


def by_jar(style, items, stamp):
    top, to = spread(items, stamp)
    # The manifest has the time of now otherwise.
    date = f"--date=2026-11-{1 + stamp // 24:02}T{stamp % 24:02}:00:00Z"
    jar("--create", date, "--file", to, *style["jar options"], "-C", top, ".")
    if style["up to date"]:
        # As a tool does that puts something into what another has built.
        with open(os.path.join(top, "late.properties"), "w") as file:
            file.write(f"built={stamp}\n")
        jar("--update", date, "--file", to, *style["jar options"], "-C", top, "late.properties")
    return taken(to)


def main():
    global weight
    seed, first, last, weight = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    warnings.simplefilter("ignore")
    for number in range(first, last + 1):
        dice = random.Random(f"{seed}/{number}")
        style, items = style_of(dice), items_of(dice, 0)
        stamp = dice.randrange(600)
        made = []
        for _ in range(2):
            data = write(style, items, stamp)
            made.append(({"writer": style["writer"], "entries": entries(style, items), "length": len(data)}, data))
            items, stamp = evolve(dice, items), stamp + dice.choice([0, 1, 40])
            style = style_of(dice) if dice.random() < 0.1 else style
        line = json.dumps({"number": number, "versions": [told for told, _ in made]})
        sys.stdout.buffer.write(line.encode() + b"\n" + made[0][1] + made[1][1])


main()
