"""Made-up leads for the demo: a believable list of enquiries, trials and customers, the same for the same seed. Pure.

After: `engine.simulate.demo` writes them as a CSV and imports them the way a marketer would.
"""

from dataclasses import dataclass
from random import Random

FIRST = (
    "Aisha", "Alice", "Amir", "Anna", "Ben", "Carla", "Chen", "Daniel", "Elena", "Emma", "Farid", "Grace", "Hannah", "Hugo",
    "Ines", "Isaac", "Jana", "Joel", "Karim", "Kate", "Lars", "Leila", "Louis", "Maria", "Marta", "Mei", "Nadia", "Noah",
    "Olga", "Omar", "Paula", "Peter", "Rachel", "Ravi", "Rosa", "Samir", "Sara", "Sofia", "Tom", "Yusuf",
)  # fmt: skip
LAST = (
    "Adams", "Bauer", "Becker", "Brown", "Costa", "Davies", "Evans", "Fischer", "Garcia", "Haddad", "Hughes", "Jensen",
    "Khan", "Lambert", "Lewis", "Lopez", "Martin", "Meyer", "Moreau", "Murphy", "Nguyen", "Novak", "Okafor", "Patel", "Rossi",
    "Schmidt", "Silva", "Singh", "Taylor", "Walker", "Weber", "Wilson", "Wright", "Young", "Zhang",
)  # fmt: skip
PLACES = (
    ("United Kingdom", "Europe/London"), ("United Kingdom", "Europe/London"), ("Germany", "Europe/Berlin"),
    ("France", "Europe/Paris"), ("Ireland", "Europe/Dublin"), ("Spain", "Europe/Madrid"),
    ("United States", "America/New_York"), ("United States", "America/Chicago"), ("Australia", "Australia/Sydney"),
)  # fmt: skip
OFFICES = ("Studio", "Partners", "Works", "Logistics", "Legal", "Design", "Engineering", "Dental", "Accountants")
SCHOOLS = ("Primary School", "Academy", "Grammar School", "College", "Montessori")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One row of the demo's list. `cadence`: which nurture this person belongs into."""

    number: int
    first_name: str
    last_name: str
    email: str
    company: str
    country: str
    zone: str
    building: str
    employees: int
    cadence: str


def make_people(count: int, *, seed: int) -> list[Person]:
    """That many people: six in ten new enquiries, a quarter whose trial ended, the rest customers gone quiet."""
    dice = Random(seed)
    return [make_person(number, dice) for number in range(1, count + 1)]


def make_person(number: int, dice: Random) -> Person:
    first, last = dice.choice(FIRST), dice.choice(LAST)
    building = dice.choices(("office", "school"), (7, 3))[0]
    company = f"{dice.choice(LAST)} {dice.choice(SCHOOLS if building == 'school' else OFFICES)}"
    country, zone = dice.choice(PLACES)
    return Person(
        number=number,
        first_name=first,
        last_name=last,
        email=f"{first}.{last}.{number}@{company.split()[0]}.example".lower(),
        company=company,
        country=country,
        zone=zone,
        building=building,
        employees=max(3, round(dice.lognormvariate(3.4, 0.9))),
        cadence=dice.choices(("new-enquiry", "trial-ended", "quiet-customer"), (60, 25, 15))[0],
    )
