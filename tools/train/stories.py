"""Short stories from a grammar with a memory: the characters, their pronouns, the thing and the place stay the same.

A plot is a list of steps, a step a choice of sentences.  A is the main character, B the other one; {A}, {he}, {him},
{his} belong to A, {B}, {bhe}, {bhim}, {bhis} to B."""
import re

from words import (ANIMALS, BOYS, BUILDS, COLOURS, FOODS, GIRLS, HOMES, OBJECTS, OTHER_BOYS, OTHER_GIRLS, PEOPLE, PLACES,
                   SKILLS, TIMES, TRAITS)

OPENING = [
    ["Once upon a time there was a {trait} {kind} named {A}.", "There once was a {trait} {kind} called {A}.",
     "Once there lived a {trait} {kind} named {A}.", "Long ago, a {trait} {kind} named {A} lived near {place}."],
    ["{A} lived in {home}.", "{He} lived in {home}.", "{A} had {home}."],
    ["{A} loved {food} and long walks.", "Every day {he} liked to play near {place}.", "{He} liked to sing in the sun."],
]
ENDING = [
    ["From that day on, {A} and {B} were best friends.", "{A} and {B} laughed together.", "{A} thanked {B} and gave {bhim} a hug."],
    ["That night {A} slept very well.", "{A} went home with a warm heart.", "{A} smiled all the way home.", "{He} never forgot that day."],
    ["{A} had learned that it is good to help.", "{A} had learned that friends make everything easier.",
     "{He} knew now that being brave can start with a small step.", "And they lived happily for many years.", "The end."],
]
PLOTS = {
    "lost": [
        ["{time}, {A} could not find {his} {colour} {thing}.", "{time}, {A} lost {his} {colour} {thing} near {place}."],
        ["{He} looked under the bed and behind the door.", "{He} looked everywhere, but the {thing} was gone.", "{He} looked in the grass and under the leaves."],
        ["{A} was very sad and began to cry.", "{A} felt sad and sat down on a stone."],
        ["Then a {bkind} named {B} came by. \"Why are you sad?\" asked {B}.", "A {bkind} named {B} saw {him}. \"What is wrong?\" asked {B}."],
        ["\"I lost my {thing},\" said {A}.", "\"My {colour} {thing} is gone,\" said {A}."],
        ["\"Let us look for it together,\" said {B}.", "\"Do not cry. I will help you,\" said {B}."],
        ["They walked to {place} and looked around.", "They went back along the path to {place}."],
        ["There, next to a tree, lay the {colour} {thing}!", "At last {B} saw something {colour}. It was the {thing}!"],
        ["{A} jumped with joy.", "\"Thank you, {B}!\" said {A}."],
    ],
    "found": [
        ["{time}, {A} found a {colour} {thing} near {place}.", "{time}, {A} walked to {place} and saw a {colour} {thing} in the grass."],
        ["\"What a nice {thing}!\" said {A}.", "It was the nicest {thing} {he} had ever seen."],
        ["{He} wanted to keep it, but it belonged to somebody else.", "\"Somebody must miss it,\" thought {A}."],
        ["So {he} asked everyone near {place2}.", "So {he} took the {thing} and went to {place2}."],
        ["There {he} met a {bkind} named {B}, who was crying.", "On the way {he} met a sad {bkind} named {B}."],
        ["\"I have lost my {thing},\" said {B}.", "\"Have you seen a {colour} {thing}?\" asked {B}."],
        ["{A} gave the {thing} back to {bhim}.", "\"Here it is,\" said {A} and gave {bhim} the {thing}."],
        ["{B} was so happy that {bhe} danced.", "{B} smiled and shared some {food} with {him}."],
    ],
    "storm": [
        ["{time}, dark clouds came over {place}.", "{time}, while {A} was at {place}, a big storm began."],
        ["The wind was loud and the rain was cold.", "Rain fell and the wind shook the trees."],
        ["{A} ran home as fast as {he} could.", "{A} was afraid and ran home."],
        ["On the way {he} saw a {bkind} named {B} under a tree.", "Then {he} heard a {bkind} named {B} call for help."],
        ["{B} was wet and cold.", "{B} had no place to stay."],
        ["\"Come with me,\" said {A}. \"My house is warm.\"", "\"You can stay with me,\" said {A}."],
        ["They sat by the fire and ate {food}.", "{A} gave {bhim} a blanket and hot soup."],
        ["In the morning the sun was shining again.", "When the storm was over, they saw a rainbow above {place}."],
    ],
    "share": [
        ["{time}, {A} picked a basket of {food}.", "{time}, {A} went to {place} to look for {food}."],
        ["{He} wanted to eat all of them alone.", "The {food} were sweet, and {he} was hungry."],
        ["Then a {bkind} named {B} came along.", "A hungry {bkind} named {B} looked at the {food}."],
        ["\"I have not eaten today,\" said {B}.", "\"May I have some {food}?\" asked {B}."],
        ["{A} thought for a while.", "{A} looked at the basket and then at {B}."],
        ["\"Yes, let us share,\" said {A}.", "\"There is enough for two,\" said {he}."],
        ["They sat in the grass and ate together.", "They ate {food} until they were full."],
        ["The next day {B} brought {him} a {colour} {thing} as a gift.", "To say thank you, {B} showed {him} a secret path to {place2}."],
    ],
    "learn": [
        ["{A} wanted to learn to {skill}.", "{time}, {A} saw others {skill} and wanted to learn it too."],
        ["{He} tried, but it was hard.", "The first time, it did not work at all."],
        ["\"I will never learn it,\" said {A}.", "{A} wanted to give up."],
        ["A {bkind} named {B} heard {him}.", "Then {he} met a {bkind} named {B}, who could {skill} very well."],
        ["\"I can show you how,\" said {B}.", "\"Try again, a little every day,\" said {B}."],
        ["So they met at {place} every morning.", "{B} was patient, and {A} tried again and again."],
        ["After a week, {A} could {skill} a little.", "Day after day it became easier."],
        ["At last {A} could {skill} all alone!", "One day {A} could {skill} as well as {B}."],
    ],
    "dark": [
        ["{A} was afraid of the dark.", "At night {A} could not sleep, because it was so dark."],
        ["{time}, {he} heard a strange sound outside.", "One night {he} heard something near the window."],
        ["{His} heart was beating fast.", "{He} hid under the blanket."],
        ["But {A} wanted to be brave.", "Then {he} took a small lantern and opened the door."],
        ["Outside sat a little {bkind} named {B}.", "It was only a {bkind} named {B}, who had lost the way."],
        ["\"I am afraid of the dark,\" said {B}.", "\"Can you help me find my home?\" asked {B}."],
        ["\"Me too,\" said {A}, \"but together we can do it.\"", "\"Take my hand,\" said {A}."],
        ["They walked past {place} until they saw the house of {B}.", "The moon shone on {place} and showed them the way."],
    ],
    "build": [
        ["{time}, {A} wanted to build {build} near {place}.", "{A} had an idea. {He} wanted to build {build}."],
        ["{He} worked all morning, but it was too heavy for one.", "{He} started alone, but it fell down."],
        ["A {bkind} named {B} watched {him}.", "Then a {bkind} named {B} came from {place2}."],
        ["\"May I help you?\" asked {B}.", "\"Two can do more than one,\" said {B}."],
        ["{A} was glad and said yes.", "\"Yes, please,\" said {A}."],
        ["{A} brought wood and {B} brought stones.", "They worked side by side the whole day."],
        ["When the sun went down, it was ready.", "In the evening they had built {build} together."],
        ["They sat down and ate {food}.", "Everyone from near and far came to see it."],
    ],
    "race": [
        ["{time}, a {bkind} named {B} came to {place}.", "{time}, {A} met a {bkind} named {B} near {place}."],
        ["\"Let us race to {place2},\" said {B}.", "\"I am the fastest of all,\" said {B}. \"Let us have a race.\""],
        ["They ran over stones and through the grass.", "\"One, two, three, go!\" they called, and off they ran."],
        ["Suddenly {B} fell and hurt {bhis} foot.", "Half way, {B} fell into a hole and could not get up."],
        ["{A} could have won now.", "{A} was in front, but {he} looked back."],
        ["But {he} stopped and helped {bhim} up.", "{He} turned around and went back to {B}."],
        ["Slowly they walked to the end together.", "They crossed the line side by side."],
        ["Everyone cheered for both of them.", "\"You are a true friend,\" said {B}."],
    ],
}


def pick(rng, items):
    return items[rng.randrange(len(items))]


def character(rng, names, kind=None, name=None):
    """names: (of girls, of boys)."""
    kind = kind or pick(rng, ANIMALS if rng.random() < 0.8 else PEOPLE)
    girl = kind == "girl" or (kind != "boy" and (name in names[0] if name else rng.random() < 0.5))
    return {"kind": kind, "name": name or pick(rng, names[0] if girl else names[1]), "girl": girl}


def cast(rng, kind=None, name=None, other=None):
    """Two characters of different kinds; their names are from different lists."""
    a = character(rng, (GIRLS, BOYS), kind, name)
    while True:
        b = character(rng, (OTHER_GIRLS, OTHER_BOYS), other)
        if b["kind"] != a["kind"]:
            return a, b


def keeps_characters(story):
    """Whether the story names one character of each list and nobody else."""
    words = set(re.findall(r"[A-Za-z]+", story))
    return len(words & {*GIRLS, *BOYS}) == 1 and len(words & {*OTHER_GIRLS, *OTHER_BOYS}) == 1


def tell(rng, a, b, plot=None):
    """The text of a story, and what may be said about it in the question that asks for it."""
    place, place2 = rng.sample(PLACES, 2)
    he, him, his = ("she", "her", "her") if a["girl"] else ("he", "him", "his")
    bhe, bhim, bhis = ("she", "her", "her") if b["girl"] else ("he", "him", "his")
    fill = {"A": a["name"], "kind": a["kind"], "B": b["name"], "bkind": b["kind"], "he": he, "him": him, "his": his,
            "He": he.capitalize(), "His": his.capitalize(), "bhe": bhe, "bhim": bhim, "bhis": bhis, "place": place,
            "place2": place2, "trait": pick(rng, TRAITS), "colour": pick(rng, COLOURS), "thing": pick(rng, OBJECTS),
            "food": pick(rng, FOODS), "home": pick(rng, HOMES), "time": pick(rng, TIMES), "skill": pick(rng, SKILLS),
            "build": pick(rng, BUILDS)}
    plot = plot or pick(rng, list(PLOTS))
    steps = OPENING[:2] + ([OPENING[2]] if rng.random() < 0.7 else []) + PLOTS[plot] + ENDING
    text = " ".join(pick(rng, step) for step in steps)
    return articles(text.format(**fill)), fill


def articles(text):
    """"a owl" to "an owl", also at the start of a sentence."""
    words = text.split(" ")
    for i in range(len(words) - 1):
        if words[i] in ("a", "A", "\"A") and words[i + 1].lstrip("\"")[0] in "aeiou":
            words[i] += "n"
    return " ".join(words)


def article(kind):
    return ("an " if kind[0] in "aeiou" else "a ") + kind


def story_request(rng):
    """A question and the story that answers it."""
    form = rng.randrange(10)
    kind = pick(rng, ANIMALS if rng.random() < 0.85 else PEOPLE)
    a, b = cast(rng, kind)
    story, fill = tell(rng, a, b)
    k, bk, name = article(a["kind"]), article(b["kind"]), a["name"]
    ask = pick(rng, ["Tell me a story about {}.", "Tell me a story about {}", "Can you tell me a story about {}?", "I want a story about {}.",
                     "Please tell me a story about {}.", "Write a story about {}.", "Tell a short story about {}.", "A story about {}, please."])
    if form < 5:
        return ask.format(k), story
    if form < 6:
        return ask.format(f"{k} named {name}"), story
    if form < 8:
        return ask.format(f"{k} and {bk}"), story
    return pick(rng, ["Tell me a story.", "Tell me a story, please.", "Can you tell me a story?", "I would like a story.",
                      "Do you know a story?", "Tell me another story."]), story
