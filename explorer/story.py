"""The guided story: what is told beat by beat, and what the page shows meanwhile."""

from dataclasses import dataclass

from explorer.photos.examples import Examples

RED, BLUE = "val/0_000", "test/0_000"  # Rudo in his old pot, and in his new one
GUESSES = ("rudo", "baya")
SECONDS = 40  # that its button promises: to read it, and for the page to show it


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
        "This network names four pot plants. A heatmap shows where it found evidence for a name: red for much, blue "
        "for none. It is evidence, not proof.",
        RED,
    ),
    Beat("Rudo, in his red pot", "The network says Rudo, and is right.", RED),
    Beat(
        "The pot breaks",
        "Rudo's new pot is blue, like Baya's, and the network says Baya. In Baya's row the heat lies on the pot.",
    ),
    Beat("What if?", "Suppose that only the pot is repainted red. What will it say?", guess=True),
    Beat(
        "Only the pot changed",
        "It says Rudo again. Move the curtain: the plant is the same. A pot detector.",
        tab="what-if",
    ),
    Beat(
        "Not only here",
        "Of 30 test photos of Rudo in blue it calls none Rudo; with the pot repainted red, all 30. Audit counts them "
        "all.",
        tab="what-if",
    ),
    Beat(
        "A plant detector",
        "The same network, trained on pots of any colour, calls all 30 Rudo as they are. Now ask about your own photo.",
        model="debiased",
    ),
)


def can_be_told(examples: Examples) -> bool:
    """Whether the photos that the story is about are on the page, and their pots are known."""
    return all(beat.example in examples.every for beat in BEATS) and examples.every[BLUE].mask is not None
