/* Made-up names: harbours and what one sees there; see names.h. */
#include "tools/gantry/names.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const char *const adjectives[] = {
    "able",   "amber",  "ample",  "autumn",  "balmy",  "bold",   "brave",   "breezy",   "bright",
    "brisk",  "calm",   "candid", "cheery",  "clear",  "clever", "coastal", "cosy",     "crisp",
    "dapper", "daring", "deft",   "distant", "eager",  "early",  "earnest", "easy",     "fair",
    "fleet",  "fond",   "fresh",  "gentle",  "glad",   "golden", "grand",   "hardy",    "hearty",
    "honest", "humble", "jolly",  "keen",    "kind",   "lively", "loyal",   "lucky",    "mellow",
    "merry",  "mild",   "misty",  "modest",  "neat",   "nimble", "noble",   "northern", "patient",
    "placid", "plucky", "polite", "proud",   "quick",  "quiet",  "rapid",   "ready",    "robust",
    "rosy",   "salty",  "serene", "sharp",   "silent", "silver", "sincere", "smooth",   "snug",
    "solid",  "spry",   "stable", "steady",  "stout",  "sturdy", "sunny",   "swift",    "tidal",
    "tidy",   "trim",   "trusty", "upright", "vivid",  "warm",   "wise",    "windy",    "witty",
    "young",  "zesty",
};

static const char *const nouns[] = {
    "albatross", "anchor",   "barge",    "beacon",  "berth",   "boom",     "bow",       "breeze",
    "bridge",    "brig",     "buoy",     "cable",   "canal",   "capstan",  "captain",   "cargo",
    "chart",     "clipper",  "coaster",  "cockle",  "compass", "convoy",   "coral",     "cormorant",
    "crane",     "crate",    "crew",     "cutter",  "derrick", "dinghy",   "dock",      "dolphin",
    "dory",      "ferry",    "fjord",    "fleet",   "foghorn", "forklift", "freighter", "frigate",
    "galleon",   "galley",   "gannet",   "gull",    "halyard", "harbour",  "hatch",     "hawser",
    "heron",     "hoist",    "hull",     "islet",   "jetty",   "keel",     "ketch",     "lagoon",
    "lantern",   "lighter",  "lock",     "lugger",  "mariner", "marina",   "mast",      "mooring",
    "oar",       "osprey",   "otter",    "packet",  "paddle",  "pelican",  "petrel",    "pier",
    "pilot",     "plover",   "porpoise", "puffin",  "pulley",  "quay",     "rigger",    "rudder",
    "sail",      "schooner", "sextant",  "shackle", "shore",   "skiff",    "skipper",   "sloop",
    "spinnaker", "starfish", "stern",    "tanker",  "tern",    "tide",     "tiller",    "tug",
    "wake",      "walrus",   "warden",   "wharf",   "winch",   "yawl",
};

void name_make(uint64_t random, int attempt, char name[NAME_ROOM])
{
    const char *adjective = adjectives[random % COUNT(adjectives)];
    const char *noun = nouns[random / COUNT(adjectives) % COUNT(nouns)];

    if (attempt <= 2)
        snprintf(name, NAME_ROOM, "%s_%s", adjective, noun);
    else
        snprintf(name, NAME_ROOM, "%s_%s%u", adjective, noun, (unsigned)(random >> 32) % 10000);
}
