"""The wording around what is quoted or copied in a story: messages and what was answered, pages of the order book."""

# The tables below are filled, not one sentence per line: they would be several times as long.
# fmt: off
#: A customer's message, quoted in full; who wrote it is often in the message alone.
MESSAGES = ('The next message said: "{message}"', '"{message}" That was the whole message.',
 'A message came in: "{message}"', 'Then {clerk} read this: "{message}"', '"{message}" So wrote {first}.',
 'In the post was a card: "{message}"', '"{message}"', 'At {hour} the computer showed a new message: "{message}"')

AGAIN = (
    '{first} wrote once more: "{message}"',
    'An hour later {first} asked: "{message}"',
    '"{message}" was the next question.',
)

#: What the shop said to it, retold.
ANSWERED = ('{clerk} turned to {first}. "{fact}" Then {clerk} said: "{step}"', '"{fact}" said {clerk} to {first}.',
 'So {first} heard from {clerk}: "{fact}"', '"{fact}" That is what {first} was told, and then: "{step}"',
 '{clerk} called {first}. "{fact}" And after that: "{step}"', "The answer to {first} was short. {fact}",
 "{clerk} knew what {first} wanted. {fact}", '"{first}? {fact}" said {clerk}, "{step}"')

#: A line of the order book, and what comes between two readings of a page.
ENTRIES = ("Order {order}: {first} {last}, {street}, {town}. {product}, {price}.",
 "{first}, {order}, {product}, {later} at {hour}.",
 "{first} {last} from {town} ordered {a_product}, number {order}, for {price}.",
 "{order}. {first}. {product}. {colour}. {date}.",
 "{product} for {first}, {other} for {friend}, order {order}, {day}.",
 "{first} wants {count} of the {product} in {colour}, order {order}.",
 "Name: {first}. Order: {order}. Product: {product}. Colour: {colour}. Day: {day}.")

REREAD = (
    "",
    "The page was wet, so {clerk} wrote it again. ",
    "The driver read it aloud. ",
    "The same stood in the other book. ",
    "{clerk} read it again. ",
)
