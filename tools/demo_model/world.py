"""The world of the Lindenhof, a small shop: its people, its goods, its days.

The prose the base model reads and the conversations it is tuned on draw from here, so that tuning teaches a
*form*, not new words.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from random import Random

# The tables below are filled, not one word or sentence per line: they would be several times as long.
# fmt: off
CUSTOMERS = ["Aaron", "Abel", "Ada", "Adele", "Agnes", "Aiko", "Alba", "Albert", "Alice", "Alma", "Alva", "Amara",
 "Amelie", "Amir", "Anders", "Andrea", "Anika", "Anja", "Anton", "Aria", "Arne", "Arthur", "Astrid", "August", "Aurel",
 "Aylin", "Basil", "Bea", "Ben", "Benno", "Berta", "Bianca", "Bilal", "Birgit", "Bjarne", "Boris", "Bruno", "Camila",
 "Carl", "Carla", "Carmen", "Cecilia", "Celia", "Chiara", "Chloe", "Clara", "Claude", "Clemens", "Cora", "Cosima",
 "Dagny", "Dalia", "Damian", "Dana", "Daniel", "Daria", "David", "Delia", "Dennis", "Diana", "Diego", "Dina", "Dora",
 "Edda", "Edgar", "Edith", "Edwin", "Eileen", "Elena", "Elias", "Elif", "Elin", "Elio", "Elisa", "Ella", "Elmar",
 "Elsa", "Emil", "Emilia", "Emma", "Enno", "Enzo", "Erik", "Erika", "Ernst", "Esther", "Eva", "Fabian", "Fanny",
 "Farah", "Fatima", "Felix", "Fiona", "Flora", "Florian", "Frances", "Franka", "Freya", "Frieda", "Fritz", "Gabriel",
 "Gemma", "Georg", "Gerda", "Gianna", "Gideon", "Gina", "Gisela", "Greta", "Gustav", "Hana", "Hanna", "Hannes",
 "Harald", "Hassan", "Hector", "Hedda", "Heidi", "Helen", "Helga", "Henri", "Hilda", "Hugo", "Ida", "Ilka", "Ilse",
 "Imani", "Imke", "Ines", "Inga", "Ingrid", "Irene", "Iris", "Isabel", "Ismael", "Ivan", "Ivo", "Jakob", "Jana",
 "Jasmin", "Jasper", "Jelena", "Jens", "Joana", "Joel", "Johan", "Jolanda", "Josef", "Josefine", "Judith", "Julia",
 "Julius", "Juna", "Kai", "Kamal", "Karim", "Karin", "Karl", "Karla", "Kasper", "Katja", "Kenji", "Kian", "Kira",
 "Klara", "Konrad", "Kurt", "Lara", "Lars", "Laura", "Laurin", "Lea", "Leander", "Leila", "Lena", "Leo", "Leon",
 "Leonie", "Levi", "Lia", "Lida", "Lilian", "Lina", "Linus", "Lisa", "Livia", "Lorenz", "Louis", "Luca", "Lucia",
 "Ludwig", "Luis", "Luise", "Luka", "Luna", "Lydia", "Magda", "Magnus", "Maja", "Malik", "Malte", "Manuel", "Mara",
 "Marcel", "Marga", "Maria", "Marie", "Marius", "Marlene", "Marta", "Martin", "Mathilda", "Matteo", "Max", "Maya",
 "Mehmet", "Melina", "Merle", "Mia", "Michael", "Mila", "Milan", "Milo", "Mina", "Mira", "Miriam", "Mona", "Moritz",
 "Nadia", "Nadine", "Naomi", "Nele", "Nico", "Niels", "Nika", "Nina", "Nino", "Noah", "Noemi", "Nora", "Nuria", "Olaf",
 "Olga", "Oliver", "Olivia", "Omar", "Oscar", "Oskar", "Otto", "Pablo", "Paolo", "Patrick", "Paul", "Paula", "Pavel",
 "Petra", "Philip", "Pia", "Quentin", "Rafael", "Rahel", "Ralf", "Ramona", "Raoul", "Rasmus", "Rebecca", "Regina",
 "Remy", "Rena", "Rita", "Robert", "Robin", "Roland", "Roman", "Romy", "Rosa", "Ruben", "Runa", "Ruth", "Sabine",
 "Salma", "Samira", "Samuel", "Sandra", "Sara", "Sascha", "Selma", "Silas", "Silke", "Silvia", "Simon", "Sina",
 "Sofia", "Sonja", "Stella", "Stefan", "Sven", "Svenja", "Tamara", "Tanja", "Tara", "Tarik", "Teresa", "Thea", "Theo",
 "Thomas", "Till", "Tilda", "Timo", "Tina", "Tobias", "Tom", "Toni", "Ulla", "Ulrich", "Uma", "Ursula", "Valentin",
 "Vera", "Viktor", "Viola", "Walter", "Wanda", "Wendel", "Werner", "Wilma", "Xaver", "Yannis", "Yara", "Yasmin",
 "Yusuf", "Zara", "Zeno", "Zita"]

CLERKS = ["Lotte", "Jonas", "Minna", "Rufus", "Tessa", "Anselm", "Nell", "Piet"]
ENDINGS = ["berg", "mann", "sen", "ler", "ner", "hoff", "wald", "stein", "bach", "field", "ford", "wood", "ley", "son",
 "ton", "ström", "ski", "ova", "etti", "ano"]
BEGINNINGS = ["Lind", "Bloom", "Hart", "Keller", "Wes", "Ros", "Ash", "Birk", "Carl", "Dorn", "Eck", "Fal", "Gold",
 "Hol", "Jan", "Kern", "Lang", "Mor", "Nor", "Ost", "Pet", "Rein"]
SYLLABLES = ["ba", "be", "bo", "da", "de", "do", "fa", "fe", "ga", "go", "ha", "he", "ja", "jo", "ka", "ke", "ko",
 "la", "le", "li", "lo", "ma", "me", "mi", "mo", "na", "ne", "ni", "no", "pa", "pe", "ra", "re", "ri", "ro", "sa",
 "se", "so", "ta", "te", "ti", "to", "va", "ve", "vi", "wa", "wi", "za", "zo"]
CODAS = ["", "", "", "n", "s", "l", "r", "x", "th", "ra", "na", "lin", "dor", "mund"]

TOWNS = ["Ulm", "Bremen", "Kiel", "Mainz", "Trier", "Jena", "Weimar", "Basel", "Bern", "Graz", "Linz", "Wien", "Turin",
 "Lyon", "Gent", "Delft", "Leiden", "Oslo", "Bergen", "Malmo", "Turku", "Riga", "Krakow", "Brno", "Zagreb", "Porto",
 "Cork", "Leeds", "York", "Bath"]
STREETS = [
    f"{first} {last}"
    for first in [
        "Mill",
        "Church",
        "Station",
        "Garden",
        "River",
        "Castle",
        "Linden",
        "Market",
        "Bridge",
        "Forest",
        "School",
        "Tower",
    ]
    for last in ["Lane", "Street", "Road", "Square"]
]

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
 "December"]
SIZES = ["small", "medium", "large", "extra large"]
COLOURS = ["red", "blue", "green", "grey", "black", "white", "yellow", "brown"]
COUNTS = ["two", "three", "four", "five", "six", "eight", "ten", "twelve"]

HOUSEWARE = [
    f"{material} {thing}"
    for material, things in {
        "copper": "kettle pan lamp bowl ladle",
        "enamel": "mug pot jug bowl lamp kettle",
        "walnut": "tray board stool clock frame box",
        "oak": "tray bench shelf board stool ladder",
        "glass": "jar vase lamp bowl bottle",
        "brass": "bell lamp clock hook mirror",
        "steel": "pan flask ladle kettle",
        "clay": "pot jug vase mug plate",
        "willow": "basket chair tray broom",
        "paper": "lantern folder kite calendar",
        "leather": "bag belt folder purse",
        "linen": "towel cushion napkin curtain tablecloth",
        "wool": "blanket rug cushion",
        "wax": "candle cloth",
        "iron": "pan hook bell gate trivet",
        "pine": "shelf box ladder bench crate",
        "slate": "board coaster clock",
        "cork": "coaster mat stool",
        "bamboo": "tray mat ladle box",
        "tin": "box whistle lantern jug",
        "marble": "board bowl lamp",
        "canvas": "bag chair tent",
    }.items()
    for thing in things.split()
]

CLOTHING = [
    f"{material} {thing}"
    for material, things in {
        "linen": "apron shirt dress jacket",
        "wool": "coat scarf jumper vest hat",
        "cotton": "shirt apron jumper dress",
        "felt": "hat vest slipper coat",
        "denim": "jacket apron shirt",
        "velvet": "dress jacket vest",
        "rain": "coat hat jacket",
        "leather": "glove vest jacket",
    }.items()
    for thing in things.split()
]

PRODUCTS = HOUSEWARE + CLOTHING

#: What can be wrong with goods on arrival, after "the walnut tray ...".
FAULTS = ["arrived broken", "has a deep scratch", "has a crack", "is bent", "came with a dent", "has a stain",
 "is torn", "lost its handle", "does not close", "wobbles", "is chipped", "smells of smoke"]
# fmt: on
#: Parts that can be missing from a parcel.
PARTS = ["lid", "handle", "strap", "screws", "manual", "receipt", "label", "second half", "cord", "gift card"]


@dataclass(frozen=True)
class Case:
    """One customer's business with the shop: everything a story or a message about it may mention."""

    first: str
    last: str
    clerk: str
    order: str
    product: str
    other: str
    garment: str
    fault: str
    part: str
    day: str
    later: str
    date: str
    month: str
    hour: str
    town: str
    street: str
    size: str
    new_size: str
    colour: str
    count: str
    price: str
    friend: str

    def slots(self) -> dict[str, str]:
        """What a sentence can be filled with: every fact, and the goods once more with their article."""
        facts = asdict(self)
        return facts | {f"a_{thing}": article(facts[thing]) for thing in ("product", "other", "garment")}


def invented_name(rng: Random) -> str:
    """A name out of syllables: so many of them that copying is the only way to write one twice."""
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 3))).capitalize() + rng.choice(CODAS)


def draw_case(rng: Random, names: list[str]) -> Case:
    """A case with every fact drawn at random; things that must differ (two products, two days) do."""
    first, friend = rng.sample(names, 2)
    product, other = rng.sample(PRODUCTS, 2)
    day, later = rng.sample(DAYS, 2)
    size, new_size = rng.sample(SIZES, 2)
    return Case(
        first=first,
        last=rng.choice(BEGINNINGS) + rng.choice(ENDINGS),
        clerk=rng.choice(CLERKS),
        order=str(rng.randint(10000, 99999)),
        product=product,
        other=other,
        garment=rng.choice(CLOTHING),
        fault=rng.choice(FAULTS),
        part=rng.choice(PARTS),
        day=day,
        later=later,
        date=f"{rng.randint(1, 28)} {rng.choice(MONTHS)}",
        month=rng.choice(MONTHS),
        hour=f"{rng.randint(9, 17)}:{rng.choice(['00', '15', '30', '45'])}",
        town=rng.choice(TOWNS),
        street=f"{rng.randint(1, 99)} {rng.choice(STREETS)}",
        size=size,
        new_size=new_size,
        colour=rng.choice(COLOURS),
        count=rng.choice(COUNTS),
        price=f"{rng.randint(9, 89)}.{rng.choice(['00', '50', '90'])}",
        friend=friend,
    )


def article(noun: str) -> str:
    """`noun` with its indefinite article: "an oak tray"."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
