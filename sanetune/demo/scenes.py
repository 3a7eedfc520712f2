"""The wording of the shop's stories: scenes in steps, each step with its alternatives.

A story picks one alternative per step and fills in a case. Every scene says its facts more than once (a letter and
what the clerk reads in it, a call and the note about it), because looking a fact up in the text above is what the
base must know before tuning can teach it to answer. No salutation, no sign-off and no chat is in here.
"""

# fmt: off: a sentence per line would make this table three times as long.
#: How a story begins: before anything happens to anybody.
OPENINGS = [
    (
        "It was a quiet {day} at the Lindenhof.",
        "On {day} the Lindenhof opened at nine as always.",
        "Rain fell on {town} all {day}.",
        "The first van came before eight on {day}.",
        "In {month} the shop is full from morning to evening.",
        "The bell over the door of the Lindenhof rang early.",
        "{clerk} came to work on {day} with a loaf of bread and a wet umbrella.",
        "The Lindenhof is a small shop with a green door and a long oak counter.",
    ),
    (
        "",
        "",
        "{clerk} swept the floor and lit the lamp in the window.",
        "There was tea on the stove and paper on the counter.",
        "The post lay in a heap beside the scales.",
        "Nobody had yet asked for {a_other}, but somebody would.",
        "The shop sells {a_product} as gladly as {a_other}.",
        "The window showed {a_other}, {a_product} and {a_garment}.",
        "{clerk} put {a_other} on the shelf where {a_product} had stood.",
    ),
]

SCENES = {
    "letter": [
        (
            "A letter came from {first} {last}.",
            "The post brought a letter from {first} {last} in {town}.",
            "On {day} {first} {last} wrote to the shop.",
            "There was also a message from {first}.",
        ),
        (
            '"My name is {first}, and my order is {order}," it said.',
            '"This is about order {order}, {a_product}."',
            '"I am {first} from {town} and I ordered {a_product}, number {order}."',
            '"Please look at order {order} for me," {first} wrote, "the one with the {product}."',
        ),
        (
            '"The {product} {fault}."',
            '"I am not happy, because the {product} {fault}."',
            '"It came on {day}, but the {product} {fault}."',
            '"I opened the box and saw that the {product} {fault}!"',
        ),
        (
            "{clerk} read it twice: order {order}, {first}, and the {product} {fault}.",
            "So the {product} of order {order} {fault}, and {first} was right to be cross.",
            "{clerk} was sorry to hear from {first} that the {product} {fault}.",
            "Order {order}, thought {clerk}. The {product} {fault}.",
        ),
        (
            "{clerk} wrote back to {first} that a new {product} would leave on {later}.",
            "On {later} a new {product} went out to {first} in {town}, again under the number {order}.",
            "{first} was told that the shop would replace the {product} of order {order}.",
            "{clerk} sent {first} a label for order {order} and asked for a photo of the {product}.",
        ),
    ],
    "late": [
        (
            "{first} had waited for {a_product} since {date}.",
            "{first} {last} from {town} asked where order {order} was.",
            '"Where is my {product}?" asked {first} on {day}. "It is order {order}."',
            "The parcel for {first} should have come on {day}.",
        ),
        (
            '"It should be here since {day}," {first} said, "and it is the {product}, order {order}."',
            '"You promised the {product} for {day}, and order {order} is still not here."',
            '"Order {order} was due on {date}. It is now late."',
            '"I still wait for the {product}," said {first}.',
        ),
        (
            "{clerk} looked for order {order} in the book.",
            "{clerk} called the carrier about order {order} at {hour}.",
            "The book said: {order}, {first}, {product}, {day}.",
            "The {product} was due on {day} and had not moved.",
        ),
        (
            "The {product} for {first} was found in {town}.",
            "Order {order} had gone to {town} by mistake.",
            "The {product} lay under another box, with {order} on its label.",
            "The carrier promised order {order} for {later}.",
        ),
        (
            "It reached {first} on {later}.",
            "{first} got the {product} on {later} and not on {day}.",
            "So order {order} arrived on {later}, and {first} laughed about it.",
            "{clerk} told {first} that it would come on {later}.",
        ),
    ],
    "call": [
        ("The telephone rang at {hour}.", "At {hour} somebody called from {town}.", "Then came a call."),
        (
            '"Who is calling?" asked {clerk}. "{first}."',
            '"Here is {first} {last}," said a voice.',
            '"{first} here," said the voice, "from {town}."',
            '"My name is {first}," said the caller, "{first} {last}."',
        ),
        (
            '"And the order number?" "{order}."',
            '"What is the number of your order, {first}?" "It is {order}."',
            '"I have order {order}, {a_product}."',
            '"It is about the {product}, order {order}."',
        ),
        (
            '"The {product} {fault}," said {first}.',
            '"I would like to collect the {product} on {later} at {hour}."',
            '"Please send it to {street} in {town}."',
            '"There is no {part} in the box."',
            '"I paid {price} for it."',
        ),
        (
            "{clerk} wrote down: {first}, {order}, {product}.",
            '"So it is {first}, order {order}, the {product}," said {clerk}.',
            "On the note of {clerk} stood {first}, {product}, {order}.",
            '"{order}," {clerk} said again, "the {product} for {first}."',
        ),
    ],
    "wrong": [
        (
            "{first} had ordered {a_product} and got {a_other}.",
            "In the parcel for {first} lay {a_other}.",
            "{first} opened the box of order {order} and found {a_other} in it.",
            '"I got {a_other}," wrote {first} {last}.',
        ),
        (
            '"I ordered {a_product}, not {a_other}," {first} said.',
            '"Order {order} was for {a_product}, but you sent {a_other}."',
            '"Instead of the {product} there is {a_other} in the box."',
            '"This {other} is not mine. I want my {product}."',
        ),
        (
            "{clerk} saw at once that the {product} of order {order} was still on the shelf.",
            "{clerk} was sorry that {first} had received {a_other} instead of the {product}.",
            "The {other} belonged to {friend}, and the {product} to {first}.",
        ),
        (
            "{friend} had the {product} and {first} had the {other}, and on {later} they changed boxes.",
            "On {later} the {product} went to {first}, and the {other} came back.",
            "{first} could keep the {other} until {later}, when the van would bring the {product}.",
            "So {first} got the {product} after all, and order {order} was closed.",
        ),
    ],
    "size": [
        (
            "{first} tried on the {garment} from order {order}.",
            "The {garment} that {first} ordered was {size}.",
            "For {friend} from {town}, {first} had bought {a_garment}.",
        ),
        (
            "It was {size}, and {first} needed {new_size}.",
            '"The {size} one does not fit," said {first}, "I need {new_size}."',
            '"Can I change the {garment} from {size} to {new_size}?" asked {first}.',
            '"Please send me the {garment} in {new_size} and take back the {size} one."',
        ),
        (
            "{clerk} looked for the {garment} in {new_size}.",
            "{clerk} laid the {garment} in {new_size} on the counter.",
            "There was one {garment} in {new_size} left, in {colour}.",
            "{clerk} wrote: order {order}, {garment}, {size} to {new_size}.",
        ),
        (
            "The {size} {garment} went back to the shelf.",
            "{first} took the {new_size} {garment} home on {later}.",
            "So the {garment} of order {order} was changed from {size} to {new_size} for {first}.",
        ),
    ],
    "return": [
        (
            "{first} no longer wanted the {product}.",
            "{first} {last} brought the {product} back on {day}.",
            "On {date} {first} sent back {a_product}.",
            '"I would like to return the {product}," wrote {first} from {town}.',
        ),
        (
            '"The order is {order}," said {first}, "and I paid {price}."',
            '"It cost {price}, order {order}, and I never used it."',
            "The receipt said {order}, {product}, {price}.",
            "It had cost {price} and came with order {order}.",
        ),
        (
            "{clerk} counted out {price} for {first}.",
            "{clerk} gave {first} a label with {order} on it.",
            "The {price} for the {product} went back to {first} on {later}.",
            "{clerk} wrote {price} beside order {order}.",
        ),
        (
            "",
            "The {product} was as good as new.",
            "{first} spent the {price} on {a_other} the same day.",
            "In the evening {clerk} put the {product} of {first} back into the window.",
        ),
    ],
    "address": [
        (
            "{first} was moving to {town}.",
            "{first} {last} had a new house in {town}.",
            "The invoice for {first} was wrong.",
        ),
        (
            '"Please send order {order} to {street} in {town}," said {first}.',
            '"The new address is {street}, {town}."',
            '"I now live at {street}," {first} wrote, "so please change the address of order {order}."',
            '"The invoice of order {order} must go to {street}, {town}."',
        ),
        (
            "{clerk} wrote {street} on the parcel of order {order}.",
            "{clerk} changed the address to {street} in {town}.",
            "From then on the book said {first}, {street}, {town}.",
            "The label said {first} {last}, {street}, {town}.",
        ),
        (
            "The van found {street} on {later}.",
            "At {street} {first} was waiting with the door open.",
            "So the {product} of {first} reached {street} and not the old house.",
            "On {later} order {order} left for {town}.",
        ),
    ],
    "counter": [
        (
            "{first} came in and looked at {a_product}.",
            "A customer from {town} stood before the shelf. It was {first}.",
            '"Do you have the {product} in {colour}?" asked {first}.',
            '"I am looking for {a_product}," said {first}.',
        ),
        (
            '"We have the {product} in {colour}," said {clerk}.',
            '"The {product} costs {price}," said {clerk}.',
            '"The {colour} {product} will be back on {later}," said {clerk} to {first}.',
            "{clerk} showed {first} {count} of them, and {a_other}.",
        ),
        (
            "{first} thought about the {product} and the {price}.",
            '"{price} for a {colour} {product}," said {first} slowly.',
            '"Then keep the {product} for me until {later}," said {first}.',
            '"I take {count} of them," said {first}.',
        ),
        (
            "{clerk} put the {product} aside for {first} until {later}.",
            "So {first} paid {price} and left with the {product}.",
            "{clerk} packed {count} of them for {first}.",
            "The {product} went home with {first} to {town}.",
        ),
    ],
    "gift": [
        (
            "{friend} has a birthday on {date}, and {first} wanted to give {a_product}.",
            "{first} bought {a_product} for {friend}.",
            '"Can you wrap the {product} for {friend}?" asked {first}.',
        ),
        (
            '"Please wrap order {order} in {colour} paper," said {first}, "it is for {friend}."',
            '"It must be there on {date}, with a card for {friend}."',
            '"Write on the card: for {friend}, from {first}."',
        ),
        (
            "{clerk} wrapped the {product} in {colour} paper.",
            "{clerk} wrote a card: for {friend}, from {first}.",
            "{clerk} tied a {colour} ribbon around order {order}.",
        ),
        (
            "On {date} {friend} opened the {colour} paper and found {a_product} from {first}.",
            "{friend} thanked {first} for the {product}.",
            "So {friend} got the {product} on {date}.",
        ),
    ],
    "note": [
        (
            "{clerk} wrote a note: {first}, {order}, {product}, {later} at {hour}.",
            "On the board stood: {order}, {first} {last}, {product}, {town}.",
            "The label said {first}, {street}, {town}, order {order}, {product}.",
            "The list for {day}: {first}, {product}, {price}; {friend}, {other}.",
        ),
        ("", "Then the tea was ready.", "The van came at {hour}.", "{clerk} went to the back room and came again."),
        (
            "{clerk} read the note again: {first}, {order}, {product}, {later} at {hour}.",
            "The driver read it aloud: {order}, {first} {last}, {product}, {town}.",
            "In the box for {first} lay the {product}, and on the box stood {order}.",
            "{clerk} asked for the {product} of {first}, and somebody said: order {order}.",
        ),
        (
            "On {later} at {hour} {first} came for the {product}.",
            "The {other} was for {friend}, the {product} for {first}.",
            "At {hour} order {order} was on its way to {street}.",
            "Everything was right: {order}, {product}, {first}.",
        ),
    ],
    "missing": [
        (
            "{first} unpacked the {product} and looked for the {part}.",
            "The {product} of order {order} came without the {part}.",
            '"The {part} is missing," wrote {first} {last}.',
        ),
        (
            '"I have the {product} here, order {order}, but no {part}," said {first}.',
            '"There was no {part} in the box of order {order}."',
            '"Without the {part} I cannot use the {product}."',
        ),
        (
            "{clerk} found the {part} on the counter.",
            "The {part} of the {product} still lay in the shop.",
            "{clerk} was sorry that the {part} was missing from order {order}.",
        ),
        (
            "The {part} left for {town} on {later}.",
            "{clerk} sent {first} the {part} of the {product} on {later}.",
            "With the {part} the {product} was whole, and {first} was glad.",
        ),
    ],
    "repair": [
        ("{first} had bought the {product} in {month}.", "In {month} {first} {last} had paid {price} for {a_product}."),
        (
            '"Now it {fault}," said {first}. "Is there a warranty on order {order}?"',
            '"Can you repair the {product} from {month}?" asked {first}.',
            '"I bought it in {month}, order {order}, and the {product} {fault}."',
        ),
        (
            "The warranty is two years, so {month} was early enough.",
            "{clerk} looked up {month} and found order {order}.",
            "{clerk} took the {product} of {first} to the workshop.",
        ),
        (
            "The {product} was repaired on {later}.",
            "{first} got the {product} back on {later}, and it was as good as in {month}.",
            "On {later} {clerk} called {first}, because the {product} was ready.",
        ),
    ],
    "cancel": [
        (
            "{first} had changed plans.",
            '"I must cancel order {order}," wrote {first}.',
            "{first} ordered {count} and needed none.",
        ),
        (
            '"Please cancel the {product}, order {order}," said {first}.',
            '"I no longer need the {product} and would like to cancel."',
            '"Can I still cancel order {order}? It is the {product}, for {price}."',
            '"Please add {a_other} to order {order} instead."',
        ),
        (
            "{clerk} took the {product} out of the box again.",
            "{clerk} crossed out order {order} of {first}.",
            "{clerk} cancelled order {order} and paid back {price}.",
        ),
        (
            "So nobody sent {first} the {product}.",
            "The {price} was back with {first} on {later}.",
            "Order {order} was the only one cancelled on {day}.",
        ),
    ],
    "phone answer": [
        (
            '"Thank you for calling, {first}," said {clerk}.',
            '"Good morning, {first}," said {clerk} on the phone, "what can we do for you?"',
            '"Hello, {first} here," said the phone. "Please help me with order {order}."',
            '"Dear me," said {clerk}, "{first} {last} again, and order {order} again."',
        ),
        (
            '"We are very sorry about the {product}," said {clerk}, "and about the trouble with order {order}."',
            '"We pay the {price} for order {order} back to your card this week, {first}."',
            '"You can collect order {order} on {later} at {hour}. Just ask our team at the counter."',
            '"You get the {product} in {colour}, and we write {street}, {town} on the parcel."',
            '"We noted that {friend} takes order {order} for you. Please tell your neighbour about it."',
        ),
        (
            '"Many thanks," said {first}, "then {later} is fine for the {product}."',
            '"What a pleasure," said {first}, "many thanks for the quick help with order {order}."',
            '"Perfect, that is all," said {first} from {town}.',
            '"Great, then I wait until {date} for the {product}," answered {first}.',
        ),
        (
            "",
            "As a rule every message gets an answer the same day.",
            "{clerk} wished {first} a good evening.",
            "The service desk wrote down {first}, {date}, {hour}.",
        ),
    ],
    "angry": [
        (
            '"How can this happen?" wrote {first}. "Order {order} was for {a_product}!"',
            '"This is really the second time!" said {first}. "I expect an answer about order {order}."',
            '"I am tired of waiting for my {product}," {first} said, "it was due on {day}."',
            '"You owe me {price} for the {product}," said {first}.',
        ),
        (
            '"Please excuse the trouble, {first}," said {clerk}. "We look for order {order} at once."',
            '"We ask the carrier about order {order} today, and tell you what we hear tomorrow," answered {clerk}.',
            '"We ask the bank where the {price} is," said {clerk}, "and we write to you."',
            '"A {colour} one leaves today by post, {first}," said {clerk}.',
        ),
        (
            "The next step was to ask for a photo of the {product}.",
            "Next they looked for the {product} under the counter.",
            "First {clerk} called the bank because of the {price}.",
            "The driver had taken order {order} to {friend} instead of {first}.",
        ),
        (
            "By {later} {first} was friendly again.",
            "On {later} {first} got the {product} and the {price}.",
            "{first} wrote again on {later}: all is well with order {order}.",
        ),
    ],
    "neighbour": [
        (
            "{first} was away until {date}.",
            "Nobody was at home at {street} when the parcel for {first} came.",
            "{first} had a neighbour whose name was {friend}.",
        ),
        (
            '"Please give the {product} to {friend}," said {first}, "my neighbour."',
            '"{friend} can take order {order} for me," said {first}.',
            '"Can {friend} come for it on {later}?" asked {first}.',
        ),
        (
            "{clerk} wrote on order {order}: give to {friend}, for {first}.",
            "The driver rang at the door of {friend} on {later}.",
            "{friend} took the {product} and put it beside the door.",
        ),
        (
            "At {hour} {friend} gave the {product} to {first}.",
            "{first} thanked {friend} for taking care of order {order}.",
            "When {first} came home, {friend} had the {product}.",
        ),
    ],
    "addition": [
        (
            "{first} wanted {count} of the {product}.",
            '"Please add {count} of the {product} to order {order}," wrote {first}.',
            '"I need {count} more of the {product}," said {first}.',
        ),
        (
            "{clerk} counted {count} of the {product} into the box.",
            "So order {order} had {count} of the {product} more than before.",
            '"{count}?" asked {clerk}. "Yes, {count}," said {first}.',
        ),
        (
            "The new invoice said: {first}, {order}, {product}, {count}.",
            "All {count} went into one parcel to {town}.",
            "The {count} of them cost {first} {price}.",
        ),
    ],
    "visit": [
        (
            '"Can I come by on {later} at {hour}?" asked {first}.',
            '"Please call me on {later} at {hour}," said {first}.',
            "{first} wanted to collect order {order} on {later}.",
        ),
        (
            "{clerk} wrote down {later}, {hour}, {first}.",
            '"{later} at {hour} is a good time," said {clerk}.',
            '"We wait for you on {later} at {hour}, {first}," said {clerk}.',
        ),
        (
            "On {later} at {hour} {first} stood at the counter.",
            "On {later} the phone of {first} rang at {hour}.",
            "Everything for {first} lay ready on {later}: order {order}, the {product}.",
        ),
    ],
    "hours": [
        (
            "The shop is open from Monday to Friday from 9:00 to 18:00.",
            "On Saturday the shop opens at 9:00 and closes at 14:00.",
            "On Sunday the Lindenhof is closed.",
        ),
        (
            '"Are you open on {day}?" asked {first}.',
            '"When do you open on {day}?" {first} wanted to know.',
            '"Can I come on {day} at {hour}?" asked {first} from {town}.',
        ),
        (
            "{clerk} told {first} that the shop was open on {day}.",
            '"On {day} we are here," said {clerk} to {first}.',
            '"Come on {day}, {first}," said {clerk}, "we open at nine."',
        ),
        (
            "So {first} came on {day} at {hour} and bought {a_product}.",
            "{first} came on {day}, and {clerk} was there.",
            "",
        ),
    ],
}

#: How a story ends.
CLOSINGS = [
    (
        "In the evening {clerk} closed the shop.",
        "At six {clerk} turned the key.",
        "Then the lamp in the window went out.",
        "{clerk} counted the money and went home.",
        "It had been a good {day}.",
        "That was the story of {first} and the {product}.",
    ),
]

#: A customer's message, quoted in full; who wrote it often stands in the message alone.
MESSAGES = (
    'The next message said: "{message}"',
    '"{message}" That was the whole message.',
    'A message came in: "{message}"',
    'Then {clerk} read this: "{message}"',
    '"{message}" So wrote {first}.',
    'In the post was a card: "{message}"',
    '"{message}"',
    'At {hour} the computer showed a new message: "{message}"',
)
AGAIN = (
    '{first} wrote once more: "{message}"',
    'An hour later {first} asked: "{message}"',
    '"{message}" was the next question.',
)
#: What the shop said to it, retold.
ANSWERED = (
    '{clerk} turned to {first}. "{fact}" Then {clerk} said: "{step}"',
    '"{fact}" said {clerk} to {first}.',
    'So {first} heard from {clerk}: "{fact}"',
    '"{fact}" That is what {first} was told, and then: "{step}"',
    '{clerk} called {first}. "{fact}" And after that: "{step}"',
    "The answer to {first} was short. {fact}",
    "{clerk} knew what {first} wanted. {fact}",
    '"{first}? {fact}" said {clerk}, "{step}"',
)

#: A line of the order book, and what comes between two readings of a page.
ENTRIES = (
    "Order {order}: {first} {last}, {street}, {town}. {product}, {price}.",
    "{first}, {order}, {product}, {later} at {hour}.",
    "{first} {last} from {town} ordered {a_product}, number {order}, for {price}.",
    "{order}. {first}. {product}. {colour}. {date}.",
    "{product} for {first}, {other} for {friend}, order {order}, {day}.",
    "{first} wants {count} of the {product} in {colour}, order {order}.",
    "Name: {first}. Order: {order}. Product: {product}. Colour: {colour}. Day: {day}.",
)
REREAD = (
    "",
    "The page was wet, so {clerk} wrote it again. ",
    "The driver read it aloud. ",
    "The same stood in the other book. ",
    "{clerk} read it again. ",
)
