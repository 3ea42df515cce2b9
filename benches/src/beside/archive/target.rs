//! What a rebuilt archive may cost, as the acceptance page has it, for the six pairs that it names.

/// Room for what does not depend on the change: a record, a revision, an index.
const ROOM: u64 = 24 << 10;

/// A pair: its name, and the bytes that it takes at least.
const FLOORS: [(&str, u64); 6] = [
    ("vnu-jar", 26_938),
    ("openapi-generator-cli", 604_699),
    ("vnu-jar, one class", 357),
    ("vnu-jar, another order", 67_994),
    ("WAR of deflated jars", 558),
    ("WAR of stored jars", 558),
];

/// Where a pair stands on the page; those that it does not name come behind.
pub(super) fn place(name: &str) -> usize {
    FLOORS.iter().position(|(known, _)| *known == name).unwrap_or(FLOORS.len())
}

/// The most bytes that the pair of this name may cost: 1.25 times the least, and some room.
pub(super) fn target(name: &str) -> Option<u64> {
    let (_, floor) = FLOORS.get(place(name))?;
    Some(floor * 5 / 4 + ROOM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_pairs_have_a_target() {
        let names = FLOORS.map(|(name, _)| name);
        let targets = names.map(|name| target(name).expect("it is on the page"));
        assert_eq!(targets, [58_248, 780_449, 25_022, 109_568, 25_273, 25_273]);
        assert_eq!(names.map(place), [0, 1, 2, 3, 4, 5]);
        assert_eq!((target("my.jar"), place("my.jar")), (None, 6));
    }
}
