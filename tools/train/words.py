"""Word lists of the corpus."""

ANIMALS = ("fox rabbit bear owl mouse cat dog frog hedgehog squirrel duck turtle deer wolf pony hen goat lamb mole otter "
           "badger robin beaver elephant lion penguin").split()
PEOPLE = "girl boy baker farmer gardener sailor".split()
# Those a story is about, and those they meet: with names of their own even a very small model cannot take one for the other.
GIRLS = "Lily Mia Rosa Anna Ella Nora Luna".split()
BOYS = "Tom Max Ben Felix Leo Sam Jack".split()
OTHER_GIRLS = "Ruby Clara Tilly Daisy Hazel".split()
OTHER_BOYS = "Oscar Hugo Pip Finn Otto".split()
TRAITS = "kind brave curious clever shy cheerful gentle patient quiet funny little young".split()
COLOURS = "red blue green yellow white black orange purple pink brown grey golden".split()
OBJECTS = "ball kite hat boat bell lantern basket scarf cup book drum key whistle blanket feather shell".split()
FOODS = "apples berries nuts plums carrots cookies pears cherries".split()
PLACES = ["the forest", "the river", "the hill", "the old mill", "the meadow", "the lake", "the garden", "the village"]
HOMES = ["a small house near the river", "a warm den under a big oak", "a little hut on the hill",
         "a cosy home at the edge of the forest", "an old barn behind the mill", "a tiny cottage by the lake"]
TIMES = ["One day", "One morning", "One sunny day", "One cold morning", "One evening", "One windy day", "One spring day"]
SKILLS = ["swim", "sing", "dance", "fly a kite", "read", "paint", "whistle", "row a boat"]
BUILDS = ["a bridge", "a tree house", "a raft", "a snowman", "a sand castle", "a bird house"]

THING_COLOURS = {
    "green": ["grass", "a frog", "a leaf", "a cucumber", "moss", "a pea"],
    "blue": ["the sky", "the sea", "a blueberry", "ice on a lake"],
    "yellow": ["the sun", "a banana", "a lemon", "butter", "a chick", "corn"],
    "red": ["a strawberry", "a tomato", "blood", "a fire engine", "a cherry", "a ladybird"],
    "white": ["snow", "milk", "salt", "a swan", "chalk", "rice"],
    "black": ["coal", "a raven", "the night", "tar"],
    "orange": ["a carrot", "a pumpkin", "an orange"],
    "brown": ["chocolate", "wood", "a bear", "mud", "a chestnut"],
    "grey": ["an elephant", "a stone", "ash", "a mouse"],
    "purple": ["a plum", "lavender", "an aubergine"],
    "pink": ["a flamingo", "a pig"],
}
OPPOSITES = [p.split() for p in """hot cold|big small|up down|fast slow|happy sad|day night|open closed|old young|wet dry|
hard soft|light dark|full empty|left right|early late|high low|loud quiet|rich poor|strong weak|long short|thick thin|
near far|in out|good bad|clean dirty|first last|easy difficult|true false|win lose|love hate|push pull|give take|
buy sell|begin end|wide narrow|sweet sour|sharp blunt|brave afraid|awake asleep|rough smooth|deep shallow|
heavy weightless|question answer|north south|east west|summer winter|friend enemy|above below|before after|
always never|many few""".replace("\n", "").split("|")]
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
SORT_WORDS = ("apple bird cat dog egg fish goat hat ink jam king lamp moon nest oak pig queen rain sun tree umbrella van "
              "wind yard zebra").split()
COUNT_WORDS = "apple star cat ball tree fish bell cup".split()

COUNTRIES = "Norway Spain Japan Peru Egypt Canada India Kenya Chile France Iceland Brazil Poland Greece".split()
TOPICS = ["football", "quantum physics", "the stock market", "history", "chess", "cooking", "politics", "medicine",
          "music", "law", "space travel", "the news", "poetry", "dinosaurs"]
