"""The guided story: what is told beat by beat, and what the page shows meanwhile."""

from dataclasses import dataclass

from explorer.photos.examples import Examples

RED, BLUE = "val/0_000", "test/0_000"  # Rudo in his old pot, and in his new one
GUESSES = ("rudo", "baya")


@dataclass(frozen=True)
class Beat:
    title: str
    text: str
    example: str = BLUE
    model: str = "embedded"
    tab: str = "explain"
    guess: bool = False  # whether the visitor is asked what comes next


BEATS = (
    Beat(
        "Where does it look?",
        "A network has learned to name four pot plants. A heatmap shows where in a photo it found evidence for a name: "
        "red where there is much, blue where there is none. It is evidence, not proof.",
        RED,
    ),
    Beat("Rudo, in his red pot", "The network says Rudo. It is right, and seems to know its plants.", RED),
    Beat(
        "The pot breaks",
        "Rudo's new pot is blue, like Baya's. The plant is the same, and now the network says Baya. "
        "Look at Baya's row: the heat lies on the pot.",
    ),
    Beat(
        "What if?",
        "Suppose that only the pot is repainted red, and nothing else in this photo changes. What will it say?",
        guess=True,
    ),
    Beat(
        "Only the pot changed",
        "It says Rudo again. Move the curtain: the plant is the same on both sides. This is a pot detector.",
        tab="what-if",
    ),
    Beat(
        "Not just this photo",
        "Of the 30 test photos of Rudo in a blue pot it calls none Rudo; with the pot repainted red, all 30. "
        "The tab Audit counts it for every plant in every pot.",
        tab="what-if",
    ),
    Beat(
        "A plant detector",
        "The same network, trained on pots of any colour, calls all 30 Rudo as they are. Ask it, ask your own photo, "
        "or ask a classifier of your own.",
        model="debiased",
    ),
)


def can_be_told(examples: Examples) -> bool:
    """Whether the photos that the story is about are on the page, and their pots are known."""
    return all(beat.example in examples.every for beat in BEATS) and examples.every[BLUE].mask is not None
