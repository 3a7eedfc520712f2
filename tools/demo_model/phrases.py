"""The wording of the service conversations: what customers write, and what the shop answers, kind by kind.

Two rules keep the score honest: an answer holds every fact its kind names, and no number that the customer did not
write (so opening hours are in words).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of message: its facts (fields of a `Case`), how customers put it, how the shop answers.

    `asks` leave the order number out where `numbered` is set: it comes in a sentence of its own, before or after.
    """

    facts: tuple[str, ...]
    asks: tuple[str, ...]
    answers: tuple[str, ...]
    steps: tuple[str, ...]
    complaint: bool = False
    numbered: bool = True


# The tables below are filled, not one word or sentence per line: they would be several times as long.
# fmt: off
ORDER_LINES = ("My order is {order}.", "The order number is {order}.", "It is order {order}.",
 "This is about order {order}.", "I am writing about order {order}.", "Order {order}.", "Order number {order}.",
 "You will find it under {order}.")

OPENINGS = (
    ("Hello", "Hello, this is {first}."), ("Hello", "Hi, {first} here."), ("Hello", "Hi, my name is {first} {last}."),
    ("Hello", "Hello, I am {first} from {town}."), ("Hello", "This is {first} {last}."),
    ("Hello", "Hello shop, {first} here again."), ("Good morning", "Good morning, this is {first}."),
    ("Good morning", "Good morning, my name is {first}."), ("Good evening", "Good evening, {first} {last} here."),
    ("Good evening", "Good evening, this is {first} from {town}."),
    ("Dear", "Dear Lindenhof team, my name is {first} {last}."), ("Dear", "Dear team, this is {first}."),
)

NAMELESS = (
    ("Hello", "Hello,"), ("Hello", "Hi there,"), ("Hello", ""), ("Hello", ""), ("Good morning", "Good morning,"),
    ("Good evening", "Good evening,"), ("Dear", "Dear Lindenhof team,"), ("Dear", "Dear team,"),
)

SIGNATURES = ("Thanks, {first}", "Thank you, {first} {last}", "Regards, {first}", "Yours, {first} {last}",
 "Best wishes, {first}", "My name is {first}.", "Please answer to {first} {last}.", "Thanks, yours {first}",
 "Greetings from {town}, {first}")

MOODS = {
    "polite": ("Could you please help me?", "Thank you for your help.", "I would be very glad about an answer.",
     "I always like to shop with you.", "Please let me know."),
    "terse": ("", "", "Please answer.", "What now?"),
    "angry": ("I am really not happy about this!", "This is the second time!", "How can this happen?",
     "I expect an answer today.", "I am tired of waiting."),
}

THANKS = ("thank you for your message.", "thank you for writing to us.", "many thanks for your message.")

SORRY = ("we are sorry about this.", "we are very sorry for the trouble.", "please excuse the trouble.")

NEXT = ("Next step:", "As the next step,", "Next,")

KINDS = {
    "late": Kind(
        ("order", "product", "day"),
        ("My {product} should have come on {day}.", "I am still waiting for the {product} you promised for {day}.",
         "Where is the {product}? It was due on {day}.", "You said {day}, and the {product} is still not here.",
         "On {day} the {product} should have been here, but nothing came."),
        ("The {product} of order {order} should have reached you on {day}.",
         "Order {order} with the {product} was due on {day}."),
        ("we ask the carrier where the parcel is and write to you tomorrow.",
         "we call the carrier today and tell you what we hear."),
        complaint=True,
    ),
    "damaged": Kind(
        ("order", "product"),
        ("The {product} {fault}.", "I opened the box and the {product} {fault}.", "Sadly the {product} {fault}.",
         "I was looking forward to the {product}, but it {fault}.", "I unpacked the {product} today, and it {fault}."),
        ("The {product} of order {order} should not look like that.",
         "The {product} in order {order} should never have left our shop."),
        ("please send us a photo, and a new one leaves the same day.",
         "please send us a photo, and we replace it at once."),
        complaint=True,
    ),
    "wrong": Kind(
        ("order", "product", "other"),
        ("I ordered the {product} and got the {other}.", "Instead of the {product} there was {a_other} in the box.",
         "You sent me the {other}, but I wanted the {product}.", "I got the {other}. I had ordered the {product}."),
        ("In order {order} you got the {other} instead of the {product}.",
         "Order {order} was for the {product}, and the {other} was our mistake."),
        ("we send the right one today and a label for the way back.",
         "the right one leaves today, and the carrier takes the wrong one with him."),
        complaint=True,
    ),
    "missing": Kind(
        ("order", "product", "part"),
        ("The {product} came without the {part}.", "There is no {part} with the {product}.",
         "The {part} of the {product} is missing.", "I unpacked the {product}, but where is the {part}?"),
        ("The {part} for the {product} of order {order} should have been in the box.",
         "So the {part} of the {product} is missing from order {order}."),
        ("we send what is missing by post today.", "we look for it in the shop and send it today."),
        complaint=True,
    ),
    "return": Kind(
        ("order", "product"),
        ("I would like to return the {product}.", "How can I send the {product} back?",
         "I do not need the {product} any more and want to return it.",
         "The {product} is not what I wanted. Can I give it back?", "Please take back the {product}."),
        ("You can return the {product} of order {order}.", "We gladly take back the {product} from order {order}."),
        ("we send you a label, and you bring the parcel to the post.",
         "please print the label that we send you today."),
    ),
    "size": Kind(
        ("order", "garment", "new_size"),
        ("The {garment} is {size}, and I need {new_size}.", "Can I change the {garment} from {size} to {new_size}?",
         "The {garment} in {size} does not fit, please send it in {new_size}.",
         "I need the {garment} in {new_size} and not in {size}."),
        ("We gladly change the {garment} of order {order} to {new_size}.",
         "You can have the {garment} from order {order} in {new_size}."),
        ("we put the new one aside, and you send the old one back.",
         "please send the old one back with the label from us."),
    ),
    "hours": Kind(
        ("day",),
        ("Are you open on {day}?", "When do you open on {day}?", "Can I come to the shop on {day}?",
         "I would like to visit the shop on {day}. Is it open then?", "What are your hours on {day}?"),
        ("On {day} we are open from nine o'clock.", "We are here for you on {day} from nine o'clock."),
        ("just come in and ask for us at the counter.", "come by, and we show you around."),
        numbered=False,
    ),
    "stock": Kind(
        ("product", "colour"),
        ("Do you have the {product} in {colour}?", "Is there a {colour} {product} in the shop?",
         "I am looking for the {product} in {colour}.",
         "I would like the {product}, but only in {colour}. Do you have it?"),
        ("We do have the {product} in {colour}.", "The {product} is here in {colour}."),
        ("we keep one for you until you come.", "we put one aside for you today."),
        numbered=False,
    ),
    "price": Kind(
        ("product", "price"),
        ("Is the {product} still {price}?", "I saw the {product} for {price}. Is that right?",
         "Does the {product} cost {price}?", "In the window the {product} was {price}. Is it so?"),
        ("The {product} does cost {price}.", "It is right that the {product} costs {price}."),
        ("tell us if you want it, and we pack it for you.", "write to us, and we keep one for you."),
        numbered=False,
    ),
    "invoice": Kind(
        ("order", "street", "town"),
        ("Please change the invoice to {street}, {town}.", "The invoice must go to {street} in {town}.",
         "My invoice has the wrong address. It should say {street}, {town}."),
        ("The invoice of order {order} now goes to {street}, {town}.",
         "We changed the invoice of order {order} to {street}, {town}."),
        ("you get the new invoice today.", "we send the new invoice by mail."),
    ),
    "address": Kind(
        ("order", "street", "town"),
        ("I moved. Please send it to {street} in {town}.", "My new address is {street}, {town}.",
         "Can you deliver to {street}, {town} and not to the old house?"),
        ("Order {order} now goes to {street}, {town}.", "We wrote {street}, {town} on the parcel of order {order}."),
        ("we tell the driver and send you the new day.", "the driver calls you before he comes."),
    ),
    "gift": Kind(
        ("order", "friend", "colour"),
        ("It is a gift for {friend}. Please wrap it in {colour} paper.",
         "Can you wrap it in {colour} paper? It is for {friend}.",
         "Please use {colour} paper and write a card for {friend}."),
        ("We wrap order {order} in {colour} paper and write a card for {friend}.",
         "Order {order} gets {colour} paper and a card for {friend}."),
        ("we pack it today and leave the receipt out.", "we send you a photo before it leaves."),
    ),
    "cancel": Kind(
        ("order", "product"),
        ("Please cancel the {product}.", "I no longer need the {product}. Can I cancel?",
         "I must cancel the {product}, sorry.", "Can I still cancel? It is the {product}."),
        ("We cancelled order {order} with the {product}.", "Order {order} with the {product} is cancelled."),
        ("you get your money back this week.", "we pay the money back to your card."),
    ),
    "warranty": Kind(
        ("order", "product", "month"),
        ("I bought the {product} in {month} and now it {fault}.",
         "The {product} from {month} {fault}. Is there a warranty?",
         "Is there still a warranty on the {product}? I bought it in {month}."),
        ("The {product} of order {order} from {month} still has its warranty.",
         "For the {product} you bought in {month}, order {order}, the warranty still holds."),
        ("please bring it to the shop, and we repair it.", "please send it to our workshop."),
    ),
    "pickup": Kind(
        ("order", "day", "hour"),
        ("Can I collect it on {day} at {hour}?", "I would like to come for it on {day} at {hour}.",
         "Is {day} at {hour} a good time to collect it?"),
        ("You can collect order {order} on {day} at {hour}.", "Order {order} is ready for you on {day} at {hour}."),
        ("please bring the number with you to the counter.", "we lay everything ready at the counter."),
    ),
    "refund": Kind(
        ("order", "price"),
        ("I still wait for my {price}.", "When do I get the {price} back?", "You owe me {price} for a return."),
        ("The {price} for order {order} should be with you already.", "We owe you {price} for order {order}."),
        ("we ask the bank today and write to you.", "we pay it to your card today."),
        complaint=True,
    ),
    "more": Kind(
        ("order", "count", "product"),
        ("Please add {count} of the {product}.", "Can you put {count} more of the {product} into the box?",
         "I need {count} of the {product} as well."),
        ("We add {count} of the {product} to order {order}.", "Order {order} now has {count} of the {product} more."),
        ("we send you a new invoice today.", "we pack it all into one parcel."),
    ),
}

#: What customers write after a first answer. The answer names what the conversation is about: the `{subject}`.
FOLLOW_UPS = {
    "visit": Kind(
        ("later", "hour"),
        ("Can I come by on {later} at {hour}?", "Fine. Is somebody there on {later} at {hour}?",
         "Then I come on {later} at {hour}."),
        ("{later} at {hour} is a good time for {subject}.",
         "We wait for you on {later} at {hour} because of {subject}."),
        ("ask for us at the counter.", "we lay everything ready for you."),
    ),
    "neighbour": Kind(
        ("friend",),
        ("I am not at home. Please give it to {friend}.", "My neighbour {friend} can take it.",
         "Can {friend} come for it?"),
        ("We noted {friend} for {subject}.", "It is fine that {friend} takes care of {subject}."),
        ("please tell your neighbour about it.", "we write the name on the parcel."),
    ),
    "call": Kind(
        ("later", "hour"),
        ("Please call me on {later} at {hour}.", "Can somebody phone me on {later}, at {hour} perhaps?"),
        ("We call you on {later} at {hour} about {subject}.", "On {later} at {hour} we phone you about {subject}."),
        ("please keep your phone with you.", "just wait for our call."),
    ),
    "date": Kind(
        ("date",),
        ("Will it be done by {date}?", "I need it by {date}.", "I am away until {date}. Is that fine?"),
        ("We noted {date} for {subject}.", "{subject} has a note with {date} on it."),
        ("we write to you when all is ready.", "you hear from us before that day."),
    ),
    "thanks": Kind(
        (),
        ("Thank you, that is all.", "Great, thanks a lot!", "Perfect, that was quick."),
        ("It was a pleasure to help with {subject}.", "We are glad that we could help with {subject}."),
        ("write to us whenever you need something.", "come and see us in the shop soon."),
    ),
}

#: System prompts: the tone they ask for (a greeting, or None), and whether they name the clerk who signs.
SYSTEMS = (
    (None, False, "You answer the customers of the Lindenhof shop."),
    (None, False, "You are the service desk of a small shop, the Lindenhof."),
    ("Dear", False, "Be formal. Begin every answer with Dear."),
    ("Hello", False, "Be friendly. Begin every answer with Hello."),
    (None, True, "You answer for the Lindenhof shop. Sign as {clerk}."),
    (None, True, "Your name is {clerk}. You work for the Lindenhof."),
    ("Dear", True, "Begin with Dear and sign as {clerk}."),
)
