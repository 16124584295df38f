"""Questions whose answers can be checked.  Each has a category, an instance (what is asked, whatever the wording), the
wording and the only right answer.  An instance is held out for the test by its hash, so the test asks what no wording
of the training text has asked; for facts, of which there are few, the instance includes the wording."""
import zlib

from stories import pick
from words import COUNT_WORDS, DAYS, MONTHS, OPPOSITES, SORT_WORDS, THING_COLOURS

HELD_OUT_PERCENT = 10


def held_out(instance):
    return zlib.crc32(instance.encode()) % 100 < HELD_OUT_PERCENT


def capital(text):
    return text[0].upper() + text[1:]


def addition(rng):
    a, b = rng.randint(0, 100), rng.randint(0, 100)
    ask = pick(rng, ["What is {} plus {}?", "What is {} + {}?", "How much is {} plus {}?", "Add {} and {}.", "{} + {} = ?",
                     "What is the sum of {} and {}?", "Calculate {} plus {}.", "What do you get if you add {} and {}?"])
    return f"add {a} {b}", ask.format(a, b), f"{a} plus {b} is {a + b}."


def subtraction(rng):
    a, b = rng.randint(0, 100), rng.randint(0, 100)
    a, b = max(a, b), min(a, b)
    ask = pick(rng, ["What is {} minus {}?", "What is {} - {}?", "How much is {} minus {}?", "{} - {} = ?",
                     "Calculate {} minus {}.", "What is left if you take {1} from {0}?"])
    return f"sub {a} {b}", ask.format(a, b), f"{a} minus {b} is {a - b}."


def counting(rng):
    form = rng.randrange(4)
    if form == 0:
        a = rng.randint(0, 90)
        b = a + rng.randint(2, 9)
        ask = pick(rng, ["Count from {} to {}.", "Please count from {} to {}.", "Can you count from {} to {}?"])
        return f"count {a} {b}", ask.format(a, b), f"From {a} to {b}: " + ", ".join(map(str, range(a, b + 1))) + "."
    if form == 1:
        a = rng.randint(3, 99)
        b = max(0, a - rng.randint(2, 9))
        ask = pick(rng, ["Count down from {} to {}.", "Count backwards from {} to {}."])
        return f"down {a} {b}", ask.format(a, b), f"Down from {a} to {b}: " + ", ".join(map(str, range(a, b - 1, -1))) + "."
    if form == 2:
        a, after = rng.randint(1, 99), rng.random() < 0.5
        word = "after" if after else "before"
        ask = pick(rng, ["What number comes {} {}?", "Which number comes {} {}?", "What comes {} {}?"])
        return f"{word} {a}", ask.format(word, a), f"{a + 1 if after else a - 1} comes {word} {a}."
    n, word = rng.randint(2, 9), pick(rng, COUNT_WORDS)
    ask = pick(rng, ["How many times does it say {}: {}?", "How often do you read {} here: {}?"])
    return f"many {n} {word} {ask}", ask.format(word, " ".join([word] * n)), f"It says {word} {n} times."


def colour(rng):
    name = pick(rng, list(THING_COLOURS))
    thing = pick(rng, THING_COLOURS[name])
    ask = pick(rng, ["What colour is {}?", "Which colour is {}?", "What is the colour of {}?", "Tell me the colour of {}.",
                     "Do you know what colour {} is?", "Can you tell me what colour {} is?"]).format(thing)
    return ask, ask, f"{capital(thing)} is {name}."


def day(rng):
    names, unit = (DAYS, "day") if rng.random() < 0.6 else (MONTHS, "month")
    i, after, two = rng.randrange(len(names)), rng.random() < 0.5, rng.random() < 0.3
    word = "after" if after else "before"
    other = names[(i + (2 if two else 1) * (1 if after else -1)) % len(names)]
    if two:
        ask = pick(rng, ["What {0} is two {0}s {1} {2}?", "Which {0} is two {0}s {1} {2}?", "What {0} comes two {0}s {1} {2}?",
                         "Tell me the {0} two {0}s {1} {2}."])
        return (q := ask.format(unit, word, names[i])), q, f"Two {unit}s {word} {names[i]} is {other}."
    ask = pick(rng, ["What {} comes {} {}?", "Which {} comes {} {}?", "What {} is {} {}?", "Which {} is {} {}?",
                     "Tell me the {} {} {}.", "What {} comes right {} {}?"])
    return (q := ask.format(unit, word, names[i])), q, f"The {unit} {word} {names[i]} is {other}."


def opposite(rng):
    pair = pick(rng, OPPOSITES)
    a, b = pair if rng.random() < 0.5 else pair[::-1]
    ask = pick(rng, ["What is the opposite of {}?", "What is the opposite of the word {}?", "Tell me the opposite of {}.",
                     "Which word is the opposite of {}?", "Do you know the opposite of {}?", "{} is the opposite of what?"])
    q = capital(ask.format(a))
    return q, q, f"The opposite of {a} is {b}."


def sort(rng):
    form, n = rng.randrange(3), rng.randint(3, 5)
    if form == 2:
        items = rng.sample(SORT_WORDS, n)
        ask = pick(rng, ["Sort these words: {}.", "Put these words in order: {}.", "Sort the words {} by alphabet."])
        done = sorted(items)
    else:
        items = list(map(str, rng.sample(range(1, 21), n)))
        asks = (["Sort these numbers: {}.", "Sort {}.", "Put these numbers in order: {}.", "Sort from small to large: {}."],
                ["Sort from large to small: {}.", "Sort these numbers from large to small: {}.", "Put in falling order: {}."])[form]
        ask, done = pick(rng, asks), sorted(items, key=int, reverse=form == 1)
    return f"sort {form} {items}", ask.format(", ".join(items)), ", ".join(done) + "."


def compare(rng):
    a, b = rng.sample(range(101), 2)
    larger = rng.random() < 0.5
    word = pick(rng, ["larger", "bigger", "greater"] if larger else ["smaller", "less"])
    ask = pick(rng, ["Which is {}, {} or {}?", "Which number is {}, {} or {}?", "What is {}: {} or {}?"])
    return f"compare {a} {b}", ask.format(word, a, b), f"{max(a, b) if larger else min(a, b)} is {word}."


# category: maker, share of the questions in training
CATEGORIES = {"addition": (addition, 22), "subtraction": (subtraction, 22), "counting": (counting, 16), "colours": (colour, 4),
              "days": (day, 8), "opposites": (opposite, 5), "sorting": (sort, 14), "comparing": (compare, 9)}


def question(rng, test=False, category=None):
    """(category, question, answer): of the held-out instances if test, else of the others."""
    names = list(CATEGORIES)
    while True:
        name = category or rng.choices(names, [CATEGORIES[n][1] for n in names])[0]
        instance, ask, answer = CATEGORIES[name][0](rng)
        if held_out(instance) == test:
            return name, ask, answer
