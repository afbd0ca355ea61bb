//! The table of limits says what the code says: each value stands where the row points, and each row has a test.

use super::Fault;
use super::tree::{File, Tree};

const TABLE: &str = "docs/limits.md";
const CONFIGURATION: &str = "docs/configuration.md";

/// A row `| limit | value | where it is set | what happens when it is reached | test |`.
struct Row<'a> {
    line: usize,
    value: &'a str,
    set: &'a str,
    test: &'a str,
}

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let Some(table) = tree.get(TABLE) else { return vec![Fault::new(TABLE, 1, "is missing")] };
    let rows = table.lines().filter_map(|(number, line)| Row::parse(number, line));
    rows.filter_map(|row| Some(Fault::new(TABLE, row.line, row.fault(tree)?))).collect()
}

impl<'a> Row<'a> {
    fn parse(line: usize, text: &'a str) -> Option<Self> {
        let cells: Vec<&str> = text.trim().strip_prefix('|')?.trim_end_matches('|').split('|').map(str::trim).collect();
        let [_, value, set, _, test] = cells[..] else { return None };
        let is_head = value == "value" || value.chars().all(|c| c == '-');
        (!is_head).then_some(Self { line, value, set, test })
    }

    fn fault(&self, tree: &Tree) -> Option<String> {
        if !spans(self.test).any(|span| span.contains("::")) {
            return Some("names no test".to_owned());
        }
        let Some(place) = spans(self.set).next() else { return Some("does not say where it is set".to_owned()) };
        let found = if place.contains("::") { constant(tree, place) } else { configured(tree, place) };
        let Some(found) = found else { return Some(format!("`{place}` is no constant and no setting")) };
        let said = amount(self.value);
        (said != Some(found)).then(|| format!("says {:?}, and `{place}` is {found}", self.value))
    }
}

/// What stands between backticks.
fn spans(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The value of `crate::…::NAME`.
fn constant(tree: &Tree, path: &str) -> Option<u64> {
    let mut segments: Vec<&str> = path.split("::").collect();
    let (name, module) = (segments.pop()?, segments.pop()?);
    let home = segments.first()?.replace('_', "-");
    let is_it = |file: &&File| {
        let inside = file.path.strip_prefix("crates/").unwrap_or(&file.path);
        inside.starts_with(&format!("{home}/src/")) && file.path.ends_with(&format!("/{module}.rs"))
    };
    tree.rust().filter(is_it).find_map(|file| declared(&file.text, name))
}

/// The value of `const NAME: Type = …;`, or of a default `name: …,`.
fn declared(text: &str, name: &str) -> Option<u64> {
    let after = text.split_once(&format!("const {name}: "))?.1;
    let (_, expression) = after.split_once(';')?.0.split_once(" = ")?;
    evaluated(expression)
}

/// Numbers with `<<`, `-` and `*`, and durations in seconds.
fn evaluated(expression: &str) -> Option<u64> {
    let expression = expression.trim().trim_start_matches('(').trim_end_matches(')');
    for (constructor, seconds) in [("from_secs", 1), ("from_hours", 3_600)] {
        if let Some(number) = expression.strip_prefix(&format!("Duration::{constructor}(")) {
            return Some(evaluated(number)? * seconds);
        }
    }
    let both = |(left, right): (&str, &str)| Some((evaluated(left)?, evaluated(right)?));
    if let Some(sides) = expression.split_once(" - ") {
        return both(sides).map(|(left, right)| left - right);
    }
    if let Some(sides) = expression.split_once(" << ") {
        return both(sides).map(|(left, right)| left << right);
    }
    if let Some(sides) = expression.split_once(" * ") {
        return both(sides).map(|(left, right)| left * right);
    }
    expression.replace('_', "").parse().ok()
}

/// The default of `section.key`.
fn configured(tree: &Tree, key: &str) -> Option<u64> {
    let (section, name) = key.split_once('.')?;
    let page = &tree.get(CONFIGURATION)?.text;
    let section = page.split_once(&format!("\n## [{section}]\n"))?.1.split("\n## [").next()?;
    let default = section.split_once(&format!("- **{name}** ("))?.1.split_once("default `")?.1;
    default.split_once('`')?.0.parse().ok()
}

/// A number as people write it, in its smallest unit: bytes, seconds (milliseconds, where those are meant).
fn amount(text: &str) -> Option<u64> {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: u64 = number.replace(',', "").parse().ok()?;
    Some(match unit.split_whitespace().next().unwrap_or_default() {
        "KiB" => number << 10,
        "MiB" => number << 20,
        "GiB" => number << 30,
        _ => number,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: (&str, &str) = (
        "crates/sync-wire/src/limits.rs",
        "//! x\npub const FRAME_BYTES_MAX: usize = 1 << 20;\nconst WAIT: Duration = Duration::from_secs(5);\n",
    );
    const PAGE: (&str, &str) = (CONFIGURATION, "# x\n\n## [api]\n\nx\n\n- **page_max** (`X_Y`, default `1000`)\n  x\n");

    fn faults(row: &str) -> Vec<String> {
        let tree = Tree::of(&[CODE, PAGE, (TABLE, row)]);
        check(&tree).into_iter().map(|fault| fault.rule).collect()
    }

    #[test]
    fn a_row_says_what_the_code_says() {
        assert_eq!(faults("| a | 1 MiB | `sync_wire::limits::FRAME_BYTES_MAX` | closed | `hostile::x` |"), [""; 0]);
        assert_eq!(faults("| a | 5 s | `sync_wire::limits::WAIT` | closed | `hostile::x` |"), [""; 0]);
        assert_eq!(faults("| a | 1,000 | `api.page_max` | refused | `routes::x` |"), [""; 0]);
        assert_eq!(faults("| limit | value | set by | reached | test |\n|---|---|---|---|---|"), [""; 0]);
        for (row, what) in [
            ("| a | 2 MiB | `sync_wire::limits::FRAME_BYTES_MAX` | closed | `hostile::x` |", "is 1048576"),
            ("| a | 1 MiB | `sync_wire::limits::FRAMES_MAX` | closed | `hostile::x` |", "no constant"),
            ("| a | 999 | `api.page_max` | refused | `routes::x` |", "is 1000"),
            ("| a | 999 | `api.pages` | refused | `routes::x` |", "no setting"),
            ("| a | 1,000 | `api.page_max` | refused | none yet |", "names no test"),
            ("| a | 1,000 | somewhere | refused | `routes::x` |", "where it is set"),
        ] {
            assert!(faults(row).iter().any(|fault| fault.contains(what)), "{row}: {:?}", faults(row));
        }
        assert_eq!(check(&Tree::of(&[CODE]))[0].rule, "is missing");
    }

    #[test]
    fn expressions_of_limits_are_understood() {
        for (expression, value) in
            [("4 << 20", 4 << 20), ("(1 << 31) - 1", (1 << 31) - 1), ("65_536", 65_536), ("2 * 3", 6)]
        {
            assert_eq!(evaluated(expression), Some(value), "{expression}");
        }
        assert_eq!(evaluated("FRAME_BYTES_MAX - 4096"), None, "only numbers");
    }
}
