"""Builds archives as build tools do, by Python's zipfile and the zlib that it has, into a directory.

    rebuilt PLACE JAR          old.jar, and one-class.jar and another-order.jar, rebuilt from it
    wars PLACE JAR...          deflated-old.war, deflated-new.war, stored-old.war, stored-new.war
    chain PLACE LAST JAR...    1.jar to LAST.jar
    fat PLACE MIB CHANGED JAR...  old.jar, new.jar
    version                  (prints what writes)

A rebuild gives every entry that it writes a new time. What is random has a seed: the same jars and the same zlib give
the same archives.
"""
import io, multiprocessing, os, random, sys, zipfile, zlib

MANIFEST = [("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n\r\n", zipfile.ZIP_DEFLATED)]


def entries(path):
    with zipfile.ZipFile(path) as jar:
        return [(entry.filename, jar.read(entry), entry.compress_type) for entry in jar.infolist()]


def classes(jar):
    return [number for number, (name, _, _) in enumerate(jar) if name.endswith(".class")]


def write(to, jar, build):
    "Writes an archive of these entries, all with the time of this build."
    with zipfile.ZipFile(to, "w") as archive:
        for name, content, method in jar:
            info = zipfile.ZipInfo(name, (2026, 11, build, 10, build, 2 * build))
            info.compress_type, info.external_attr = method, 0o644 << 16
            archive.writestr(info, content)


def packed(jar, build):
    buffer = io.BytesIO()
    write(buffer, jar, build)
    return buffer.getvalue()


def edited(content, seed):
    "A class after an edit: some bytes of it are others, and six are new, so that it has another length."
    dice, third = random.Random(seed), len(content) // 3
    first, second = content[:third] + dice.randbytes(8), content[third + 8 : 2 * third] + dice.randbytes(6)
    return first + second + content[2 * third :]


def with_edits(jar, numbers, seed):
    jar = list(jar)
    for number in numbers:
        name, content, method = jar[number]
        jar[number] = name, edited(content, f"{seed} {name}"), method
    return jar


def varied(jar, generation):
    "Another library that looks like this one: of its content every fortieth byte is another."
    if generation == 0:
        return jar
    made = []
    for name, content, method in jar:
        content = bytearray(content)
        content[20::40] = random.Random(f"{generation} {name}").randbytes(len(content[20::40]))
        made.append((name, bytes(content), method))
    return made


def module(path, generation):
    return f"{generation:02}-{os.path.basename(path)}"


# What the processes of a pool have in common: they are forks of this one, made when it is there.
jars, versions = {}, []


def library(path, generation, build=1, numbers=()):
    "A jar of a generation, with edits in the entries of these numbers."
    return packed(with_edits(varied(jars[path], generation), numbers, generation), build)


def write_version(to, number):
    write(to, versions[number], number + 1)


def rebuilt(place, path):
    jar = entries(path)
    middle = classes(jar)[len(classes(jar)) // 2]
    new = with_edits(jar, [middle], "rebuilt")
    versions.extend([jar, new, random.Random("order").sample(new, len(new))])
    names = ["old.jar", "one-class.jar", "another-order.jar"]
    with multiprocessing.Pool() as pool:
        pool.starmap(write_version, [(os.path.join(place, name), number) for number, name in enumerate(names)])


def wars(place, *paths):
    jars.update((path, entries(path)) for path in paths)
    wanted = [(path, generation) for generation in range(2) for path in paths]
    with multiprocessing.Pool() as pool:
        made = dict(zip(wanted, pool.starmap(library, wanted)))
        # The largest: it has the most headers.
        chosen = max(wanted, key=lambda key: len(made[key]))
        numbers = classes(jars[chosen[0]])
        new = made | {chosen: library(*chosen, 2, [numbers[len(numbers) // 2]])}
        tasks = []
        for name, method in [("deflated", zipfile.ZIP_DEFLATED), ("stored", zipfile.ZIP_STORED)]:
            for age, build, libraries in [("old", 1, made), ("new", 2, new)]:
                war = [("WEB-INF/lib/" + module(*key), content, method) for key, content in libraries.items()]
                tasks.append((os.path.join(place, f"{name}-{age}.war"), MANIFEST + war, build))
        pool.starmap(write, tasks)


def chain(place, last, *paths):
    jars.update((path, entries(path)) for path in paths)
    first = []
    for generation in range(2):
        for path in paths:
            first.extend((f"{module(path, generation)}/{name}", content, method)
                         for name, content, method in varied(jars[path], generation))
    versions.append(first)
    for version in range(1, int(last)):
        dice = random.Random(version)
        numbers = [number for number in classes(first) if dice.random() < 0.01]
        versions.append(with_edits(versions[-1], numbers, version))
    with multiprocessing.Pool() as pool:
        names = [os.path.join(place, f"{number + 1}.jar") for number in range(int(last))]
        pool.starmap(write_version, [(name, number) for number, name in enumerate(names)])


def fat(place, mebibytes, changed, *paths):
    jars.update((path, entries(path)) for path in paths)
    made, size, generation = {}, 0, 0
    with multiprocessing.Pool() as pool:
        while size < int(mebibytes) << 20:
            keys = [(path, generation) for path in paths]
            for key, content in zip(keys, pool.starmap(library, keys)):
                if size < int(mebibytes) << 20:
                    made[key], size = content, size + len(content)
            generation += 1
        every = [(key, number) for key in made for number in classes(jars[key[0]])]
        if len(every) < int(changed):
            sys.exit(f"{len(every)} classes in it, and {changed} are to change")
        edits = {}
        for step in range(int(changed)):
            key, number = every[step * len(every) // int(changed)]
            edits.setdefault(key, []).append(number)
        rebuilt = pool.starmap(library, [(*key, 2, numbers) for key, numbers in edits.items()])
        new = made | dict(zip(edits, rebuilt))
    for name, build, libraries in [("old.jar", 1, made), ("new.jar", 2, new)]:
        boot = [("BOOT-INF/lib/" + module(*key), content, zipfile.ZIP_STORED) for key, content in libraries.items()]
        write(os.path.join(place, name), MANIFEST + boot, build)


def version():
    print(f"Python {sys.version.split()[0]}, zlib {zlib.ZLIB_RUNTIME_VERSION}")


{"rebuilt": rebuilt, "wars": wars, "chain": chain, "fat": fat, "version": version}[sys.argv[1]](*sys.argv[2:])
