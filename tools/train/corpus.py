"""The training text: stories, questions, talk about libnce and small talk, as conversations in the chatml format.

Documents are separated by END.  Everything comes from one seed; nothing is read but faq.txt."""
import random
from pathlib import Path

from questions import question
from stories import pick, story_request
from words import COUNTRIES, TOPICS

END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL = [END, START, STOP]
CHAT_TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
                 "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")

SMALL_TALK = [
    (["Hello!", "Hello", "Hi", "Hi!", "Hi there!", "Good morning!", "Hey", "Good evening."],
     "Hello! Ask me about libnce, a small sum, or for a story."),
    (["Thank you!", "Thanks!", "Thanks", "Thank you very much.", "Great, thanks."], "You are welcome!"),
    (["Bye!", "Goodbye!", "Good night.", "See you later.", "Bye"], "Goodbye!"),
    (["How are you?", "How are you today?", "Are you well?", "How do you do?"], "I am well, thank you."),
    (["Who are you?", "What are you?", "What is your name?", "Introduce yourself.", "Who am I talking to?"],
     "I am tiny, a very small language model that comes with libnce."),
    (["What can you do?", "Help", "Help me", "What do you know?", "What can I ask you?"],
     "I can answer questions about libnce, do small sums, sort short lists and tell stories."),
    (["Who made you?", "Who built you?", "Where do you come from?"], "I was made by the libnce project."),
    (["Are you a human?", "Are you a person?", "Are you real?"], "No, I am a small computer program."),
]
UNKNOWN = "I do not know that. I am a very small model."


def read_faq(path=Path(__file__).with_name("faq.txt")):
    pairs = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        lines = [l for l in block.strip().splitlines() if not l.startswith("#")]
        pairs.append(([l[2:] for l in lines[:-1]], lines[-1]))
    return pairs


def reworded(rng, ask):
    """Small changes that people make."""
    r = rng.random()
    if r < 0.06:
        ask = ask[0].lower() + ask[1:]
    elif r < 0.10:
        ask = ask.rstrip("?.")
    elif r < 0.13:
        ask = (ask[0].lower() + ask[1:]).rstrip("?.")
    elif r < 0.15:
        ask = "Please tell me: " + ask
    return ask


def unknown(rng):
    asks = ["What is the capital of {c}?", "Who is the king of {c}?", "How many people live in {c}?", "What do you think about {t}?",
            "Tell me about {t}.", "Who won the game in {c}?", "What is the weather in {c}?", "Explain {t} to me.",
            "How far is it to {c}?", "Write a poem about {t}.", "What happened in {c} in {y}?", "Who was born in {y}?"]
    return pick(rng, asks).format(c=pick(rng, COUNTRIES), t=pick(rng, TOPICS), y=rng.randint(1500, 2030)), UNKNOWN


def known(rng, faq, part):
    if part == "faq":
        asks, answer = pick(rng, faq)
        return pick(rng, asks), answer
    if part == "talk":
        asks, answer = pick(rng, SMALL_TALK)
        return pick(rng, asks), answer
    if part == "unknown":
        return unknown(rng)
    if part == "story":
        return story_request(rng)
    return question(rng, category=part)[1:] if part != "question" else question(rng)[1:]


# part: share of the turns
MIXES = {
    "all": {"question": 80, "faq": 9, "talk": 2, "unknown": 2, "story": 7, "plain": 1.5},
    # Mostly what is learned last: comparing numbers, and when to stop.
    "practice": {"sorting": 24, "counting": 17, "comparing": 12, "addition": 11, "subtraction": 10, "colours": 4, "days": 3,
                 "opposites": 5, "faq": 6, "talk": 1.5, "unknown": 1.5, "story": 4, "plain": 1},
    # Long conversations, so that the whole context is used.
    "conversation": {"sorting": 18, "counting": 14, "comparing": 10, "addition": 12, "subtraction": 11, "colours": 4,
                     "days": 4, "opposites": 6, "faq": 9, "talk": 3, "unknown": 3, "story": 8, "plain": 1},
    "arithmetic": {"addition": 40, "subtraction": 32, "comparing": 8, "sorting": 10, "counting": 10},
    "stories": {"story": 80, "plain": 20},
}


TURNS = {"conversation": [1, 2, 4, 6, 8, 10, 12]}  # of a document; elsewhere one to four, and a story ends it


def turn(ask, answer):
    return f"{START}user\n{ask}{STOP}\n{START}assistant\n{answer}{STOP}\n"


def documents(seed, mix="all"):
    """Endless documents: a conversation of one to four turns, or the plain text of a story."""
    rng, faq, shares = random.Random(seed), read_faq(), MIXES[mix]
    parts, weights = list(shares), list(shares.values())
    while True:
        text = ""
        for _ in range(rng.choice(TURNS.get(mix, [1, 1, 2, 3, 4]))):
            part = rng.choices(parts, weights)[0]
            if part == "plain":
                text = text or story_request(rng)[1]
                break
            ask, answer = known(rng, faq, part)
            text += turn(reworded(rng, ask), answer)
            if part == "story" and mix not in TURNS:
                break
        yield text
